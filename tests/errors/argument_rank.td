use nn
op f(q[b,l,d]) -> y[b,l,d] {
  y = attention(q, q, q)
}
#! tests/errors/argument_rank.td:3:17: error[E0222]: 'q' takes 4 axes, but q has 3: [b, l, d]
#!     3 |   y = attention(q, q, q)
#!       |                 ^
#!    note: tests/errors/argument_rank.td:3:7: in this use of 'attention'
#!    note: <std/nn.td>:80:14: 'q' of attention is declared here
