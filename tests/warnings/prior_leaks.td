# The schedule of 1000 steps cut to 128: x_T is far from N(0, 1).
use nn
data text { source "../models/verse.txt" }
dim B = 2, L = 8, V = text.vocab
const T = 128

schedule noise[T] {
  beta[t] = lerp(1e-4, 0.02, t / (T - 1))
  abar[t] = prod[s <= t](1 - beta[s])
}

model denoise(x[B,L,V], t: id<T>[B]) -> e[B,L,V] { e = linear(x, V) + linear(sinusoid_of(t, 4), V) }

loss main(x: id<V>[B,L]) {
  t[b] ~ uniform(T)
  e[b,l,v] ~ normal()
  xt[b,l,v] = sqrt(noise.abar[t[b]]) * onehot(x)[b,l,v] + sqrt(1 - noise.abar[t[b]]) * e[b,l,v]
  minimize mean[b,l,v]((denoise(xt, t)[b,l,v] - e[b,l,v])^2)
}

sampler ddpm() {
  state x[B,L,V] ~ normal()
  for t in T-1 .. 0 {
    e = denoise(x, t)
    x[b,l,v] = (x[b,l,v] - sqrt(1 - noise.abar[t]) * e[b,l,v]) / sqrt(noise.abar[t])
  }
  emit argmax[v](x[b,l,v])
}

train { loss main  adam(lr = 0.01)  steps 5 }
#! tests/warnings/prior_leaks.td:22:9: warning[W0901]: x_T keeps 52% of the signal: the prior leaks 1.13 bits/char
#!    22 |   state x[B,L,V] ~ normal()
#!       |         ^^^^^^^^
#!    hint: start the sampler at normal(m, s) with s^2 = 0.73 and m = 0.52 times the data's mean, or rescale the schedule
#!    note: tests/warnings/prior_leaks.td:9:3: noise.abar[127] = 0.2739; the sampler starts as if it were 0
#!    note: tests/warnings/prior_leaks.td:21:9: in sampler 'ddpm'
#! tests/warnings/prior_leaks.td: 1 warning
