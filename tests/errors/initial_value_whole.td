const scale = 0.1
op ramp(n) -> r[n] { r[i in n] = real(i) }
block f(x[b,d]) -> y[b,d] {
  param w[d] = ramp(extent(d))
  y[b,d] = x[b,d] * w[d]
}
#! tests/errors/initial_value_whole.td:4:16: error[E0206]: an initial value is one number for each index of the parameter
#!     4 |   param w[d] = ramp(extent(d))
#!       |                ^^^^^^^^^^^^^^^
