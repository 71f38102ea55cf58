# Near miss: noise is made as the loss makes it, and no network is asked. The next step is past
# the first of the loop, so it needs no guard.
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

sampler forward(steps = T, clean = "") {
  state x[b in B, l, v in V] = clean[l] == v ? 1.0 : 0.0
  for s, t in -1 .. T-2 steps steps {
    ratio = noise.abar[t] / (s >= 0 ? noise.abar[s] : 1.0)
    x[b,l,v] = sqrt(ratio) * x[b,l,v] + sqrt(1 - ratio) * normal()
  }
  emit argmax[v](x[b,l,v])
}

train { loss main  adam(lr = 0.01)  steps 5 }
#! tests/warnings/steps_of_noise.td: no errors
