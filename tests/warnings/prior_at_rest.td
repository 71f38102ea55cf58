# Near miss: a schedule that ends near 0, and a sampler that takes every fourth step.
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

sampler ddim() {
  state x[B,L,V] ~ normal()
  for t, u in T-1 .. 0 steps 4 {
    e = denoise(x, t)
    later = u >= 0 ? noise.abar[u] : 1.0
    x0[b,l,v] = (x[b,l,v] - sqrt(1 - noise.abar[t]) * e[b,l,v]) / sqrt(noise.abar[t])
    x[b,l,v] = sqrt(later) * x0[b,l,v] + sqrt(1 - later) * e[b,l,v]
  }
  emit argmax[v](x[b,l,v])
}

train { loss main  adam(lr = 0.01)  steps 5 }
#! tests/warnings/prior_at_rest.td: no errors
