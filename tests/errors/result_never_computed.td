op f(x[b]) -> y[b], z[b] {
  y = x
}
#! tests/errors/result_never_computed.td:1:21: error[E0311]: 'f' promises the result 'z' and never computes it
#!     1 | op f(x[b]) -> y[b], z[b] {
#!       |                     ^^^^
#!    hint: add a statement  z[b] = ...
