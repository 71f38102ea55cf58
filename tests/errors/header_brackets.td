op f(x[i in 4]) -> y {
  y = sum[i](x[i])
}
op g(a[k]) -> b = f(a)
#! tests/errors/header_brackets.td:1:8: error[E0209]: a header's brackets hold index names, extents and '...'
#!     1 | op f(x[i in 4]) -> y {
#!       |        ^^^^^^
