op f(x[i]) -> y[i] {
  y[i] = x[k in 3]
}
#! tests/errors/index_with_range.td:2:12: error[E0209]: a range belongs to the left side or into a reducer's brackets
#!     2 |   y[i] = x[k in 3]
#!       |            ^^^^^^
