block f(x[b,d]) -> y[b] {
  param w[k in 3] = 1
  y[b] = x[b,0] * w[0]
}
#! tests/errors/parameter_brackets.td:2:11: error[E0209]: a parameter's brackets hold extents
#!     2 |   param w[k in 3] = 1
#!       |           ^^^^^^
