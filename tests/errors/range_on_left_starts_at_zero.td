dim L = 8
op shift(x[L]) -> y[L] {
  y[i in 1 : L] = x[i - 1]
}
#! tests/errors/range_on_left_starts_at_zero.td:3:5: error[E0208]: a range on the left starts at 0: position 0 of the axis is index 0
#!     3 |   y[i in 1 : L] = x[i - 1]
#!       |     ^^^^^^^^^^
