dim B = 2, L = 4
sampler s() {
  state x[B,L] ~ uniform(3)
}
#! tests/errors/sampler_emits_nothing.td:2:9: error[E0419]: sampler 's' emits nothing
#!     2 | sampler s() {
#!       |         ^
#!    hint: end it with  emit argmax[v](x[b,l,v])
