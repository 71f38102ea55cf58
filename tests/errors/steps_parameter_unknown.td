dim B = 2, L = 4
sampler s(steps = 4) {
  state x[B,L] ~ uniform(3)
  for t in 9 .. 0 steps stepz { x[b,l] = x[b,l] }
  emit x[b,l]
}
#! tests/errors/steps_parameter_unknown.td:4:25: error[E0301]: unknown name 'stepz'
#!     4 |   for t in 9 .. 0 steps stepz { x[b,l] = x[b,l] }
#!       |                         ^^^^^
#!    hint: did you mean 'steps'?
