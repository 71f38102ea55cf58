op g(x[b,l]) -> y[b] { y[b] = sum[2 * l](x[b,l]) }
op f(x[b,l]) -> y[b] {
  p = g(x)
  q = g(2 * x)
  y = p + q
}
op h(x[b,l]) -> y[b] { y = g(x) }
#! tests/errors/said_once_for_two_uses.td:1:35: error[E0209]: a reducer's brackets hold index names, ranges (k in 0 : K) or prefixes (s <= t)
#!     1 | op g(x[b,l]) -> y[b] { y[b] = sum[2 * l](x[b,l]) }
#!       |                                   ^^^^^
