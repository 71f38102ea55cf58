dim B = 2, L = 4
sampler s() {
  state x[B,L] ~ normal()
  emit x[b,l]
}
#! tests/errors/sampler_emits_reals.td:4:8: error[E0419]: a sampler emits the symbols of a text, integers over [b, l]
#!     4 |   emit x[b,l]
#!       |        ^^^^^^
#!    hint: emit argmax[v](x[b,l,v])
