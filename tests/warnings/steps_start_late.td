use nn
data text { source "../models/verse.txt" }
dim B = 2, L = 8, V = text.vocab
const T = 16

schedule noise[T] {
  beta[t] = lerp(1e-3, 0.5, t / (T - 1))
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
  for t in T-2 .. 0 {
    e = denoise(x, t)
    x[b,l,v] = (x[b,l,v] - sqrt(1 - noise.abar[t]) * e[b,l,v]) / sqrt(noise.abar[t])
  }
  emit argmax[v](x[b,l,v])
}

train { loss main  adam(lr = 0.01)  steps 5 }
#! tests/warnings/steps_start_late.td:22:3: warning[W0902]: this sampler starts at step 14, but the noisiest step that is trained is 15
#!    22 |   for t in T-2 .. 0 {
#!       |   ^^^^^^^^^^^^^^^^^^^
#!    hint: for t in 15 .. 0
#!    note: tests/warnings/steps_start_late.td:14:3: the loss trains the steps 0 .. 15
#! tests/warnings/steps_start_late.td: 1 warning
