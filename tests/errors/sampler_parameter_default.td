dim B = 2, L = 4
sampler s(temperature) {
  state x[B,L] ~ uniform(3)
  emit x[b,l]
}
#! tests/errors/sampler_parameter_default.td:2:11: error[E0418]: a sampler's parameter needs a default: it becomes a flag
#!     2 | sampler s(temperature) {
#!       |           ^^^^^^^^^^^
#!    hint: temperature = 1.0, or temperature = "" for a text
