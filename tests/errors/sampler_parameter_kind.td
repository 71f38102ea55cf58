use nn
dim B = 2, L = 4
sampler s(act = gelu) {
  state x[B,L] ~ uniform(3)
  emit x[b,l]
}
#! tests/errors/sampler_parameter_kind.td:3:11: error[E0418]: a sampler's parameter is a number or a text
#!     3 | sampler s(act = gelu) {
#!       |           ^^^^^^^^^^
