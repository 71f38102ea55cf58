dim B = 2, L = 4
sampler s() {
  state x[B,L] ~ uniform(3)
  emit x[b,l]
  emit x[b,l]
}
#! tests/errors/sampler_emits_twice.td:5:3: error[E0403]: a second 'emit': a sampler emits once
#!     5 |   emit x[b,l]
#!       |   ^^^^^^^^^^^
