op f(x[b]) -> y[b] {
  y[b] ~ normal(x, 1)
}
#! tests/errors/draw_argument_whole.td:2:17: error[E0206]: an argument of a draw is one number for each index, this has the axes [b]
#!     2 |   y[b] ~ normal(x, 1)
#!       |                 ^
