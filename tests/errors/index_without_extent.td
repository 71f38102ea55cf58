op ramp(n) -> y[i] {
  y[i] = 2 * i
}
#! tests/errors/index_without_extent.td:2:5: error[E0202]: nothing says how far index 'i' runs
#!     2 |   y[i] = 2 * i
#!       |     ^
#!    hint: use it alone as an index of something, or write its range: i in 0 : N
