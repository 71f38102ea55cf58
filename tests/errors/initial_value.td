dim B = 2, D = 3
block f(x[B,D]) -> y[B,D] {
  param w[D] = x[0,0]
  param v[D] ~ normal(0, x)
  y[b,d] = x[b,d] * w[d] * v[d]
}
#! tests/errors/initial_value.td:3:16: error[E0316]: an initial value can depend on constants, indices and draws only
#!     3 |   param w[D] = x[0,0]
#!       |                ^^^^^^
#! tests/errors/initial_value.td:4:26: error[E0206]: an argument of a draw is one number for each index, this has the axes [B, D]
#!     4 |   param v[D] ~ normal(0, x)
#!       |                          ^
