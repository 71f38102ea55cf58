dim B = 2, L = 4
sampler s() {
  state x[B,L] ~ uniform(3)
  for t in 5 carry h = 0.0 { h = h + 1 }
  emit x[b,l]
}
sampler u(n = 3) {
  state x[B,L] ~ uniform(3)
  for t in 9 .. 0 steps 20 { x[b,l] = x[b,l] }
  emit x[b,l]
}
#! tests/errors/sampler_loop_form.td:4:3: error[E0405]: a sampler's loop carries its states; it has no 'carry' and no 'emit' of its own
#!     4 |   for t in 5 carry h = 0.0 { h = h + 1 }
#!       |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
#! tests/errors/sampler_loop_form.td:9:25: error[E0405]: 'steps' must be a whole number in 1 .. 10, the values of the loop
#!     9 |   for t in 9 .. 0 steps 20 { x[b,l] = x[b,l] }
#!       |                         ^^
