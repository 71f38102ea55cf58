op ramp(n) -> y[i] {
  y[i] = 2 * i
}
#! tests/errors/index_without_extent.td:2:5: error[E0202]: nothing says how far index 'i' runs
#!     2 |   y[i] = 2 * i
#!       |     ^
#!    hint: say it on the left: i in 8, with a number or a dim; or use it alone as an index
