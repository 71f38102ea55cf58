# A one-dimensional convolution U-Net that predicts the noise: strided down, dilated
# in the middle, up by repetition, skips between mirrored levels.
use nn
data text { source "verse.txt"  tokens chars  split 0.9 }

dim B = 4, L = 16, V = text.vocab
dim D = 16, H = L / 2
const T = 16, K = 3

schedule noise[T] {
  beta[t] = lerp(1e-3, 0.5, t / (T - 1))
  alpha[t] = 1 - beta[t]
  abar[t] = prod[s <= t](alpha[s])
}

# [b, l, i] -> [b, l, o], zero outside, taps `step` apart.
block conv(x[b,l,i], o, step = 1) -> y[b,l,o] {
  param w[K,i,o] ~ normal(0, 0.15)
  param c[o] = 0
  y[b,l,o] = sum[k in K, i](x[b, l+step*(k-1) else 0, i] * w[k,i,o]) + c[o]
}

# [b, l, i] -> [b, n, o] with l = 2 n: every other position.
block down(x[b,l,i], n, o) -> y[b,n,o] {
  param w[2,i,o] ~ normal(0, 0.15)
  y[b,n,o] = sum[k in 2, i](x[b,2*n+k,i] * w[k,i,o])
}

op up(x[b,n,i], l) -> y[b,l,i] { y[b,l,i] = x[b,l/2,i] }

model denoise(x[B,L,V], t: id<T>[B]) -> eps[B,L,V] {
  c = linear(sinusoid_of(t, D), D)
  a = silu(conv(x, D) + c)
  d = silu(down(a, H, D) + c)
  m = d + silu(conv(d, D, 2))
  u = up(m, L) + a
  eps = conv(silu(conv(u, D)), V)
}

loss main(x: id<V>[B,L]) {
  t[b] ~ uniform(T)
  e[b,l,v] ~ normal()
  xt[b,l,v] = sqrt(noise.abar[t[b]]) * onehot(x)[b,l,v] + sqrt(1 - noise.abar[t[b]]) * e[b,l,v]
  minimize mean[b,l,v]((denoise(xt, t)[b,l,v] - e[b,l,v])^2)
}

sampler ddim(steps = 8) {
  state x[B,L,V] ~ normal()
  for t, u in T-1 .. 0 steps steps {
    e = denoise(x, t)
    x0[b,l,v] = (x[b,l,v] - sqrt(1 - noise.abar[t]) * e[b,l,v]) / sqrt(noise.abar[t])
    later = u >= 0 ? noise.abar[u] : 1.0
    x[b,l,v] = sqrt(later) * x0[b,l,v] + sqrt(1 - later) * e[b,l,v]
  }
  emit argmax[v](x[b,l,v])
}

train { loss main  adam(lr = 0.01)  batch B  steps 20 }
