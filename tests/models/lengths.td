# Attention behind lengths: a row's text ends where its symbols say, and nobody sees what stands
# behind. The ends of windows are data, forwards and backwards, of chains, products and rows.
use nn
data text { source "verse.txt"  tokens chars  split 0.9 }

dim B = 4, L = 96, V = text.vocab
dim D = 32, H = 2, E = D / H

# how many of its L symbols a text has: one to all of them
op length(x: id<V>[b,l]) -> n[b] = 1 + (7 * x[b,0] + 13 * x[b,1] + 29 * x[b,2]) % extent(l)

block layer(x[b,l,d], n[b]) -> y[b,l,d] {
  param wq[d,H,E], wk[d,H,E], wv[d,H,E] ~ normal(0, 0.1)
  param wo[H,E,d] ~ normal(0, 0.1)
  r = rmsnorm(x)
  q[b,l,h,e] = r[b,l,d] * wq[d,h,e]
  k[b,s,h,e] = r[b,s,d] * wk[d,h,e]
  v[b,s,h,e] = r[b,s,d] * wv[d,h,e]
  score[b,h,l,s] = sum[e](q[b,l,h,e] * k[b,s,h,e]) / sqrt(E)
  p[b, h, l, s in L] = softmax[s | s < n[b]](score[b,h,l,s])
  a[b,l,h,e] = p[b,h,l,s] * v[b,s,h,e]
  y[b,l,d] = x[b,l,d] + sum[h,e](a[b,l,h,e] * wo[h,e,d])
}

model net(x: id<V>[b,l]) -> logits[b,l,V] {
  param place[L,D] ~ normal(0, 0.1)
  param mix[L,L] ~ normal(0, 0.1)
  n = length(x)
  w = embedding(x, D)
  f[b,l,d] = w[b,l,d] + place[l,d]
  h = layer(f, n)
  # positions mixed by weights, those of the text
  m[b,l,d] = sum[s | s < n[b]](mix[l,s] * h[b,s,d])
  # and the greatest that it has
  top[b,d] = max[s | s < n[b]](h[b,s,d])
  g[b,l,d] = h[b,l,d] + m[b,l,d] + top[b,d]
  logits = linear(rmsnorm(g), V)
}

loss main(x: id<V>[B,L+1]) {
  past[b, l in L] = x[b,l]
  z = net(past)
  n = length(past)
  each[b] = sum[l | l < n[b]](logsumexp[v](z[b,l,v]) - z[b,l,x[b,l+1]])
  minimize mean[b](each[b] / n[b])
}

train { loss main  adamw(lr = 0.01)  batch B  steps 20 }
