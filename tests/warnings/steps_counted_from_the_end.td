# Near miss: the loop runs upwards, the steps downwards.
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
  for k in 0 .. T-1 {
    e = denoise(x, T - 1 - k)
    t0 = T - 1 - k
    x[b,l,v] = (x[b,l,v] - sqrt(1 - noise.abar[t0]) * e[b,l,v]) / sqrt(noise.abar[t0])
  }
  emit argmax[v](x[b,l,v])
}

train { loss main  adam(lr = 0.01)  steps 5 }
#! tests/warnings/steps_counted_from_the_end.td: no errors
