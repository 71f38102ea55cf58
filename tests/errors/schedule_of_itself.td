schedule noise[10] {
  beta[t] = 0.1 + noise.beta[0]
}
op f(x[b]) -> y[b] = x[b] * noise.beta[0]
#! tests/errors/schedule_of_itself.td:2:25: error[E0408]: schedule 'noise' depends on itself
#!     2 |   beta[t] = 0.1 + noise.beta[0]
#!       |                         ^^^^
