op f(x[i]) -> y[i] {
  y[i] = sum[k in 4 : 4](x[i] * k)
}
op g(x[i]) -> y[i] {
  y = x
  for t in 3 : 1 { y = y + t }
}
#! tests/errors/range_empty.td:2:14: error[E0208]: the range of 'k' is empty: 4 : 4
#!     2 |   y[i] = sum[k in 4 : 4](x[i] * k)
#!       |              ^^^^^^^^^^
#! tests/errors/range_empty.td:6:12: error[E0208]: the loop over 't' is empty
#!     6 |   for t in 3 : 1 { y = y + t }
#!       |            ^
