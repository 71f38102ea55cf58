op f(x[i]) -> y[i] {
  y[i] = sum[k in 0 : 2.5](x[i] * k)
}
op g(x[i]) -> y[i] {
  y = x
  for t in 0 .. 1.5 { y = y + t }
}
#! tests/errors/range_not_integer.td:2:23: error[E0208]: a range needs integers
#!     2 |   y[i] = sum[k in 0 : 2.5](x[i] * k)
#!       |                       ^^^
#! tests/errors/range_not_integer.td:6:17: error[E0208]: a range needs integers
#!     6 |   for t in 0 .. 1.5 { y = y + t }
#!       |                 ^^^
