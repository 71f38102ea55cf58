block f(x[b,d]) -> y[b] {
  param w[k in 1 : 3] = 1
  param v[2 else 1] = 2
  y[b] = x[b,0] * w[0]
}
#! tests/errors/parameter_brackets.td:2:11: error[E0209]: a parameter's brackets hold extents
#!     2 |   param w[k in 1 : 3] = 1
#!       |           ^^^^^^^^^^
#!    hint: from 0 to an extent: k in 8
#! tests/errors/parameter_brackets.td:3:11: error[E0209]: a parameter's brackets hold extents
#!     3 |   param v[2 else 1] = 2
#!       |           ^^^^^^^^
