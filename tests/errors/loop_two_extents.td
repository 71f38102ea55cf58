op f(x[b,t], w[b,3]) -> y[b] {
  scan t carry h[b] = 0.0 { h[b] = h[b] + x[b,t] * w[b,t] }
  y = h
}
op g(x[b,t], w[b,3]) -> y[b] {
  scan t carry h[b] = 0.0 { h[b] = h[b] + x[b,t] * w[b,t else 0] }
  y = h
}
model m(x[2,4], w[2,3]) -> y[2] { y = f(x, w) + g(x, w) }
#! tests/errors/loop_two_extents.td:2:56: error[E0204]: the loop's index 't' has two extents: 4 and 3
#!     2 |   scan t carry h[b] = 0.0 { h[b] = h[b] + x[b,t] * w[b,t] }
#!       |                                               ^        ^
#!       |                                               4
#!       |                                                        3
#!    hint: write how far it runs: scan t in 3
#!    note: tests/errors/loop_two_extents.td:9:39: in this use of 'f'
#!    note: tests/errors/loop_two_extents.td:9:7: in this use of 'm'
