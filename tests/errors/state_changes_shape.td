dim B = 2, L = 4
sampler s() {
  state x[B,L] ~ uniform(3)
  for t in 3 .. 0 { x[b] = x[b,0] }
  emit x[b,l]
}
#! tests/errors/state_changes_shape.td:3:9: error[E0319]: state 'x' enters a step as int[B, L] and leaves it as int[B]
#!     3 |   state x[B,L] ~ uniform(3)
#!       |         ^^^^^^
#!    hint: what a step changes keeps its shape and type
#!    note: tests/errors/state_changes_shape.td:4:21: it gets its value here
