dim B = 2, L = 3, D = 4, H = 2
op f(x[B,L,D]) -> y[B,L,H] {
  h = 2 * x
  y[b,l,h] = h[b,l,h * 2]
}
op g(x[B,L,D], m[B]) -> y[B,L] {
  y[b,l] = sum[m](x[b,l,m] * m[b])
}
op k(x[B,L]) -> y[B,L] {
  y[b,l] = b[l] * x[b,l]
}
op q(w[B,L]) -> y[B,L] {
  t = w
  y[t,l] = t[t,l]
}
#! tests/errors/index_hides_tensor.td:4:14: error[E0306]: 'h' is an index of this statement and hides the tensor 'h'
#!     4 |   y[b,l,h] = h[b,l,h * 2]
#!       |         ^    ^
#!       |         the index
#!    hint: give the index, or the tensor, another name
#!    note: tests/errors/index_hides_tensor.td:3:3: the tensor 'h' is given here
#! tests/errors/index_hides_tensor.td:7:30: error[E0306]: 'm' is an index of this statement and hides the tensor 'm'
#!     7 |   y[b,l] = sum[m](x[b,l,m] * m[b])
#!       |                ^             ^
#!       |                the index
#!    hint: give the index, or the tensor, another name
#!    note: tests/errors/index_hides_tensor.td:6:16: the tensor 'm' is given here
#! tests/errors/index_hides_tensor.td:10:12: error[E0306]: 'b' is an index of this statement, a number, and has no axes
#!    10 |   y[b,l] = b[l] * x[b,l]
#!       |     ^      ^
#!       |     the index
#! tests/errors/index_hides_tensor.td:14:12: error[E0306]: 't' is an index of this statement and hides the tensor 't'
#!    14 |   y[t,l] = t[t,l]
#!       |     ^      ^
#!       |     the index
#!    hint: give the index, or the tensor, another name
#!    note: tests/errors/index_hides_tensor.td:13:3: the tensor 't' is given here
