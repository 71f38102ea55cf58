dim B = 2, D = 4, F = 6
op f(x[b,D]) -> y[b] {
  y[b] = sum[d](x[b,d])
}
op g(h[B,F]) -> y[B] {
  y = f(h)
}
#! tests/errors/argument_extent.td:6:9: error[E0221]: axis 2 of 'x' must be D = 4, but h has F = 6 there
#!     6 |   y = f(h)
#!       |         ^
#!    note: tests/errors/argument_extent.td:6:7: in this use of 'f'
#!    note: tests/errors/argument_extent.td:2:6: 'x' is declared here; the argument is [B, F]
