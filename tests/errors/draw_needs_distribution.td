loss main(x[b]) {
  e[b] ~ 2 * normal()
  t[b], u[b] ~ uniform(3)
  minimize mean[b](e[b] * t[b])
}
#! tests/errors/draw_needs_distribution.td:2:10: error[E0114]: expected a distribution after '~'
#!     2 |   e[b] ~ 2 * normal()
#!       |          ^^^^^^^^^^^^
#!    hint: write a call such as normal(0, 0.02) or uniform(T)
#! tests/errors/draw_needs_distribution.td:3:9: error[E0114]: '~' draws one value at a time
#!     3 |   t[b], u[b] ~ uniform(3)
#!       |         ^^^^
#!    hint: give each its own line
