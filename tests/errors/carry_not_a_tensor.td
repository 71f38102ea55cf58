use nn
op f(x[b]) -> y[b] {
  scan t in 5 carry h = gelu { h = h }
  y = x
}
#! tests/errors/carry_not_a_tensor.td:3:25: error[E0306]: 'gelu' is a function; a tensor or a number is needed here
#!     3 |   scan t in 5 carry h = gelu { h = h }
#!       |                         ^^^^
#!    hint: call it: gelu(...)
