op f(x[b,l]) -> y[b,l] {
  y[b,l] = 2 * x
}
#! tests/errors/left_indexed_right_whole.td:2:12: error[E0206]: the left side has indices, but the right side still has the axes [b, l]
#!     2 |   y[b,l] = 2 * x
#!       |            ^^^^^
#!    hint: index the right side too, or drop the brackets on the left
