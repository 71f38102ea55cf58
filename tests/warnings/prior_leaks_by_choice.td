# One of two starts leaks. The table has another name, and an op mixes signal and noise.
use nn
data text { source "../models/verse.txt" }
dim B = 2, L = 8, V = text.vocab
const T = 64

op noised(x[...], e[...], a[...]) -> y[...] = sqrt(a[...]) * x[...] + sqrt(1 - a[...]) * e[...]

schedule noise[T] {
  beta[t] = lerp(1e-4, 0.02, t / (T - 1))
  left[t] = prod[s <= t](1 - beta[s])
}

model denoise(x[B,L,V], t: id<T>[B]) -> e[B,L,V] { e = linear(x, V) + linear(sinusoid_of(t, 4), V) }

loss main(x: id<V>[B,L]) {
  t[b] ~ uniform(T)
  e[b,l,v] ~ normal()
  a[b,l,v] = noise.left[t[b]]
  xt = noised(onehot(x), e, a)
  minimize mean[b,l,v]((denoise(xt, t)[b,l,v] - e[b,l,v])^2)
}

sampler ddpm(start = 0) {
  state x[b,l,v] = start == 1
      ? sqrt(noise.left[T-1]) * text.unigram[v] + sqrt(1 - noise.left[T-1]) * normal()
      : normal()
  for t in T-1 .. 0 {
    e = denoise(x, t)
    x[b,l,v] = (x[b,l,v] - sqrt(1 - noise.left[t]) * e[b,l,v]) / sqrt(noise.left[t])
  }
  emit argmax[v](x[b,l,v])
}

train { loss main  adam(lr = 0.01)  steps 5 }
#! tests/warnings/prior_leaks_by_choice.td:25:9: warning[W0901]: x_T keeps 72% of the signal: the prior leaks 4.77 bits/char
#!    25 |   state x[b,l,v] = start == 1
#!       |         ^^^^^^^^
#!    hint: start the sampler at normal(m, s) with s^2 = 0.48 and m = 0.72 times the data's mean, or rescale the schedule
#!    note: tests/warnings/prior_leaks_by_choice.td:11:3: noise.left[63] = 0.5233; the sampler starts as if it were 0
#!    note: tests/warnings/prior_leaks_by_choice.td:24:9: in sampler 'ddpm'
#! tests/warnings/prior_leaks_by_choice.td: 1 warning
