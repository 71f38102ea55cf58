# A causal transformer that sees a window: each symbol attends to the W last ones, itself
# among them (Beltagy et al. 2020, Longformer; Jiang et al. 2023, Mistral).
use nn
data text { source "../../models/verse.txt"  tokens chars  split 0.9 }

dim B = 2, L = 24, W = 5, V = text.vocab  # W: places that a symbol sees
dim D = 16, H = 2, E = D / H, F = 4 * D
const N = 2
axis S = L

block layer(x[b,l,d]) -> y[b,l,d] {
  param wq[d,H,E], wk[d,H,E], wv[d,H,E], w1[d,F] ~ normal(0, 1 / sqrt(D))
  param wo[H,E,d], w2[F,d] ~ normal(0, 0.02)
  n = layernorm(x)
  q[b,l,h,e] = n[b,l,d] * wq[d,h,e]
  k[b,s,h,e] = n[b,s,d] * wk[d,h,e]
  v[b,s,h,e] = n[b,s,d] * wv[d,h,e]
  score[b,h,l,s] = sum[e](q[b,l,h,e] * k[b,s,h,e])
  p[b,h,l,s] = softmax[s | s <= l && l-s < W](score[b,h,l,s] / sqrt(E))
  a[b,l,h,e] = p[b,h,l,s] * v[b,s,h,e]
  g[b,l,d] = x[b,l,d] + sum[h,e](a[b,l,h,e] * wo[h,e,d])
  m = layernorm(g)
  f[b,l,j] = gelu(sum[d](m[b,l,d] * w1[d,j]))
  y[b,l,d] = g[b,l,d] + sum[j](f[b,l,j] * w2[j,d])
}

model net(x: id<V>[B,L]) -> logits[B,L,V] {
  param symbol[V,D], place[L,D] ~ normal(0, 0.5)
  h[b,l,d] = symbol[x[b,l],d] + place[l,d]
  for i in N { h = layer(h) }
  logits = linear(layernorm(h), V)
}

loss main(x: id<V>[B,L+1]) {
  past[b, l in L] = x[b,l]
  z = net(past)
  minimize mean[b,l](logsumexp[v](z[b,l,v]) - z[b,l,x[b,l+1]])
}

train { loss main  adam(lr = 0.003)  batch B  steps 20 }
