op f(x[b]) -> y {
  y = sum[b | x[b]](x[b])
}
#! tests/errors/guard_not_a_condition.td:2:15: error[E0307]: a reducer's guard is a condition on its indices
#!     2 |   y = sum[b | x[b]](x[b])
#!       |               ^^^^
