dim B = 2, L = 4
sampler s() {
  state x[B,L] ~ uniform(3)
  for t in 3 .. 0 { x[b,l] = x[b,l] + 1 }
  emit x[b,l]
}
#! tests/errors/state_grows.td:3:9: error[E0319]: the range of the integer state 'x' grows from step to step: 0 .. 6 and further
#!     3 |   state x[B,L] ~ uniform(3)
#!       |         ^^^^^^
#!    hint: keep it inside: min(max(...), ...)
#!    note: tests/errors/state_grows.td:4:3: in this loop
