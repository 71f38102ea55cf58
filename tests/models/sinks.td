# A transformer whose layers see several windows: the first symbols, the last ones and those around
# (Beltagy et al. 2020; Xiao et al. 2023, attention sinks), places on both sides but none that are
# near, the first block, the last and their own. What lies between windows is not computed,
# forwards or backwards, in attention, in a product with weights, in a maximum.
use nn
data text { source "verse.txt"  tokens chars  split 0.9 }

dim B = 2, L = 128, V = text.vocab
dim D = 32, H = 2, E = D / H
const W = 12, C = 16

# Which place s does place l see?
op ends(l, s) -> yes = s < 4 || s >= L - 3 || abs(l - s) < W
op far(l, s) -> yes = abs(l - s) >= 50 || s == l
op blocks(l, s) -> yes = s < C || s - s % C == l - l % C || s >= L - C
op sees(l, s, kind) -> yes = kind == 0 ? ends(l, s) : kind == 1 ? far(l, s) : blocks(l, s)
# up to itself
op sinks(l, s) -> yes = s < 4 || (s <= l && l - s < W)

block layer(x[b,l,d], kind) -> y[b,l,d] {
  param wq[D,H,E], wk[D,H,E], wv[D,H,E], wo[H,E,D] ~ normal(0, 0.1)
  n = rmsnorm(x)
  q[b,l,h,e] = n[b,l,d] * wq[d,h,e]
  k[b,l,h,e] = n[b,l,d] * wk[d,h,e]
  v[b,l,h,e] = n[b,l,d] * wv[d,h,e]
  score[b, h, l, s in L] = sum[e](q[b,l,h,e] * k[b,s,h,e]) / sqrt(E)
  p[b,h,l,s] = softmax[s | sees(l, s, kind)](score[b,h,l,s])
  a[b,l,h,e] = p[b,h,l,s] * v[b,s,h,e]
  y[b,l,d] = x[b,l,d] + sum[h,e](a[b,l,h,e] * wo[h,e,d])
}

# Symbols, V where one is hidden, to logits of what stands there.
model net(x: id<V + 1>[B,L]) -> logits[B,L,V] {
  param place[L,D] ~ normal(0, 0.1)
  param mix[L,L] ~ normal(0, 0.1)
  w = embedding(x, D)
  h0[b,l,d] = w[b,l,d] + place[l,d]
  h1 = layer(h0, 0)
  h2 = layer(h1, 1)
  h3 = layer(h2, 2)
  # positions mixed by weights, those that are seen, and the greatest of some
  m[b,l,d] = sum[s | ends(l, s)](mix[l,s] * h3[b,s,d])
  top[b, l in L, d] = max[s | sinks(l, s)](h3[b,s,d])
  g[b,l,d] = h3[b,l,d] + m[b,l,d] + top[b,l,d]
  logits = linear(rmsnorm(g), V)
}

loss main(x: id<V>[B,L]) {
  u[b,l] ~ uniform()
  y[b,l] = u[b,l] < 0.3 ? V : x[b,l]
  z = net(y)
  minimize mean[b,l](u[b,l] < 0.3 ? logsumexp[v](z[b,l,v]) - z[b,l,x[b,l]] : 0.0)
}

train { loss main  adamw(lr = 0.01)  batch B  steps 20 }
