dim B = 4
op f(x[B]) -> y[B] {
  a[b] ~ normal(1)
  c[b] ~ uniform(0, 1, 2)
  d[b] ~ bernoulli()
  e[b] ~ uniform(0.5)
  g[b] ~ uniform(0)
  y = x + a + c + e + g
}
#! tests/errors/draw_arguments.td:3:10: error[E0309]: normal takes no argument or two, mean and standard deviation
#!     3 |   a[b] ~ normal(1)
#!       |          ^^^^^^^^^
#! tests/errors/draw_arguments.td:4:10: error[E0309]: uniform takes at most two arguments
#!     4 |   c[b] ~ uniform(0, 1, 2)
#!       |          ^^^^^^^^^^^^^^^^
#! tests/errors/draw_arguments.td:5:10: error[E0309]: bernoulli takes one argument, the probability of true
#!     5 |   d[b] ~ bernoulli()
#!       |          ^^^^^^^^^^^
#! tests/errors/draw_arguments.td:6:10: error[E0309]: uniform takes nothing, an extent, or two bounds
#!     6 |   e[b] ~ uniform(0.5)
#!       |          ^^^^^^^^^^^^
#! tests/errors/draw_arguments.td:7:10: error[E0309]: uniform draws integers from 1 .. 2^31 values, this is 0
#!     7 |   g[b] ~ uniform(0)
#!       |          ^^^^^^^^^^
