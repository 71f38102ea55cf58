const T = 4
param w[T] = 0
schedule noise[T] {
  beta[t] = w[t]
}
op f(x[b]) -> y[b] = x[b] * noise.beta[0]
#! tests/errors/schedule_learned.td:3:1: error[E0408]: a schedule is a table of numbers known at compile time; one that is learned is an op with parameters
#!     3 | schedule noise[T] {
#!       | ^^^^^^^^^^^^^^^^^^^
