use nn
data text { source "../models/verse.txt" }
dim B = 2, L = 8, V = text.vocab
const T = 12

schedule noise[T] {
  keep[t] = lerp(0.99, 0.9, t / (T - 1))
  kept[t] = prod[s <= t](keep[s])
}

model denoise(x: id<V>[B,L], t: id<T>[B]) -> z[B,L,V] { z = embedding(x, V) + linear(sinusoid_of(t, 4), V) }

loss main(x: id<V>[B,L]) {
  t[b] ~ uniform(T)
  r[b,l] ~ uniform(V)
  stays[b,l] ~ bernoulli(noise.kept[t[b]])
  xt[b,l] = stays[b,l] ? x[b,l] : r[b,l]
  minimize mean[b,l](cross_entropy(denoise(xt, t), x)[b,l])
}

sampler walk() {
  state x[B,L] ~ uniform(V)
  for t in T-1 .. 0 {
    z = denoise(x, t)
    before = t > 0 ? noise.kept[t - 1] : 1.0
    x[b,l] = categorical[v](z[b,l,v] + log(before + 1e-6))
  }
  emit x[b,l]
}

train { loss main  adam(lr = 0.01)  steps 5 }
#! tests/warnings/prior_leaks_symbols.td:22:9: warning[W0901]: x_T keeps 50% of the symbols: the prior leaks 1.54 bits/char
#!    22 |   state x[B,L] ~ uniform(V)
#!       |         ^^^^^^
#!    hint: start the sampler at symbols of the data's own frequencies, or rescale the schedule
#!    note: tests/warnings/prior_leaks_symbols.td:8:3: noise.kept[11] = 0.5045; the sampler starts as if it were 0
#!    note: tests/warnings/prior_leaks_symbols.td:21:9: in sampler 'walk'
#! tests/warnings/prior_leaks_symbols.td: 1 warning
