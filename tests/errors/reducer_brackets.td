op f(x[i]) -> y {
  y = sum[2 * i](x[i])
}
#! tests/errors/reducer_brackets.td:2:11: error[E0209]: a reducer's brackets hold index names, ranges (k in 0 : K) or prefixes (s <= t)
#!     2 |   y = sum[2 * i](x[i])
#!       |           ^^^^^
