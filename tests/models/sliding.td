# A transformer whose layers see a window: the first the W symbols up to their own, the second
# whole blocks of C symbols up to their own, the third places on both sides. What a condition
# leaves out is not computed, forwards or backwards.
use nn
data text { source "verse.txt"  tokens chars  split 0.9 }

dim B = 4, L = 96, V = text.vocab
dim D = 32, H = 2, E = D / H
const W = 12, C = 16

# Which place s does place l see?
op window(l, s) -> yes = s <= l && l - s < W
op blocks(l, s) -> yes = s - s % C <= l
op around(l, s) -> yes = abs(l - s) <= W
op sees(l, s, kind) -> yes = kind == 0 ? window(l, s) : kind == 1 ? blocks(l, s) : around(l, s)

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
  w = embedding(x, D)
  h0[b,l,d] = w[b,l,d] + place[l,d]
  h1 = layer(h0, 0)
  h2 = layer(h1, 1)
  h3 = layer(h2, 2)
  logits = linear(rmsnorm(h3), V)
}

loss main(x: id<V>[B,L]) {
  u[b,l] ~ uniform()
  y[b,l] = u[b,l] < 0.3 ? V : x[b,l]
  z = net(y)
  minimize mean[b,l](u[b,l] < 0.3 ? logsumexp[v](z[b,l,v]) - z[b,l,x[b,l]] : 0.0)
}

train { loss main  adamw(lr = 0.01)  batch B  steps 20  clip 1.0 }
