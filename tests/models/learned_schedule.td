# Gaussian diffusion on embeddings whose noise schedule is learned: log-SNR at each
# step is a monotone function with parameters of its own (Kingma et al. 2021).
use nn
data text { source "verse.txt"  tokens chars  split 0.9 }

dim B = 4, L = 16, V = text.vocab
dim D = 16
const T = 12

# gamma[t], increasing: a cumulative sum of positive steps. abar = sigmoid(-gamma).
block schedule_of(n) -> abar[n] {
  param step[n] = 0
  param start[1] = -4
  rise[n] = softplus(step[n])
  gamma[t in n] = start[0] + sum[s in n | s <= t](rise[s])
  abar[t in n] = sigmoid(-gamma[t])
}

model abar() -> a[T] { a = schedule_of(T) }

model embed(x: id<V>[B,L]) -> y[B,L,D] { y = embedding(x, D) }

model denoise(x[B,L,D], t: id<T>[B]) -> logits[B,L,V] {
  c = linear(sinusoid_of(t, D), D)
  h = gelu(linear(x, 2 * D) + linear(c, 2 * D))
  param mix[L,L] ~ normal(0, 0.1)
  g[b,l,k] = h[b,l,k] + sum[m](h[b,m,k] * mix[m,l])
  logits = linear(g, V)
}

loss main(x: id<V>[B,L]) {
  a = abar()
  t[b] ~ uniform(T)
  e[b,l,d] ~ normal()
  w = embed(x)
  scale[b,l] = rsqrt(mean[d](w[b,l,d]^2) + 1e-6)
  xt[b,l,d] = sqrt(a[t[b]]) * w[b,l,d] * scale[b,l] + sqrt(1 - a[t[b]]) * e[b,l,d]
  z = denoise(xt, t)
  prior = mean[b,l,d](a[T-1] * (w[b,l,d] * scale[b,l])^2)
  log last = a[T-1]
  minimize mean[b,l](cross_entropy(z, x)[b,l]) + prior
}

train { loss main  adam(lr = 0.02)  batch B  steps 20 }
