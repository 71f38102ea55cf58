schedule noise[10] {
  beta[t] = 0.1
  gamma[t] ~ uniform()
}
op f(x[b]) -> y[b] = x[b] * noise.beta[0]
#! tests/errors/schedule_statements.td:3:3: error[E0408]: a schedule holds definitions of tables only: beta[t] = ...
#!     3 |   gamma[t] ~ uniform()
#!       |   ^^^^^^^^^^^^^^^^^^^^
