# Discrete diffusion with uniform noise (D3PM): symbols are replaced by random ones,
# the network names the clean text, the sampler walks the exact posterior.
use nn
data text { source "verse.txt"  tokens chars  split 0.9 }

dim B = 4, L = 16, V = text.vocab
dim D = 24
const T = 12

schedule noise[T] {
  keep[t] = lerp(0.97, 0.5, t / (T - 1))  # share of symbols that survive step t
  kept[t] = prod[s <= t](keep[s])
}

block mixer(x[b,l,d]) -> y[b,l,d] {
  param place[L,L] ~ normal(0, 0.1)
  n = layernorm(x)
  g[b,l,d] = x[b,l,d] + sum[m](gelu(n[b,m,d]) * place[m,l])
  y = g + mlp(layernorm(g), 2 * extent(d))
}

model denoise(x: id<V>[B,L], t: id<T>[B]) -> logits[B,L,V] {
  h = embedding(x, D) + linear(sinusoid_of(t, D), D)
  for i in 2 { h = mixer(h) }
  logits = linear(layernorm(h), V)
}

loss main(x: id<V>[B,L]) {
  t[b] ~ uniform(T)
  r[b,l] ~ uniform(V)
  stays[b,l] ~ bernoulli(noise.kept[t[b]])
  xt[b,l] = stays[b,l] ? x[b,l] : r[b,l]
  z = denoise(xt, t)
  minimize mean[b,l](cross_entropy(z, x)[b,l])
}

# q(x_{t-1} | x_t, x_0) for uniform noise, with the network's guess of x_0.
sampler posterior(temperature = 1.0 in 0 .. 10) {
  state x[B,L] ~ uniform(V)
  for t in T-1 .. 0 {
    p0[b,l,v] = softmax[v](tempered(denoise(x, t), temperature)[b,l,v])
    a = noise.keep[t]
    before = t > 0 ? noise.kept[t-1] : 1.0
    like[b,l,v] = a * (x[b,l] == v ? 1.0 : 0.0) + (1 - a) / V
    prior[b,l,v] = before * p0[b,l,v] + (1 - before) / V
    x[b,l] = categorical[v](log(like[b,l,v] * prior[b,l,v] + 1e-20))
  }
  emit x[b,l]
}

train { loss main  adam(lr = 0.01)  batch B  steps 20 }
