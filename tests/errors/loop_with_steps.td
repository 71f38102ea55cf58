op f(x[b]) -> y[b] {
  y = x
  h = x
  for t, u in 9 .. 0 steps 3 { h = h * 2 }
}
#! tests/errors/loop_with_steps.td:4:3: error[E0405]: 'steps' and a second loop name belong to a sampler's own loop
#!     4 |   for t, u in 9 .. 0 steps 3 { h = h * 2 }
#!       |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
