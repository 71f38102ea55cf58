# A causal transformer. One model serves training (all positions at once, no past)
# and sampling (one position, keys and values of the past in a cache): its
# parameters do not depend on how many positions it is given.
use nn
data text { source "verse.txt"  tokens chars  split 0.9 }

dim B = 4, L = 24, V = text.vocab
dim D = 32, H = 2, E = D / H, S = L
const N = 2

# x: [b, l, d] at positions from `at` on. kc, vc: keys and values of positions before.
block layer(x[b,l,d], at, kc[b,s,h,e], vc[b,s,h,e]) -> y[b,l,d], k2[b,s,h,e], v2[b,s,h,e] {
  param wq[d,h,e], wk[d,h,e], wv[d,h,e] ~ normal(0, 0.1)
  param wo[h,e,d] ~ normal(0, 0.1)
  n = rmsnorm(x)
  q[b,l,h,e] = n[b,l,d] * wq[d,h,e]
  k[b,l,h,e] = n[b,l,d] * wk[d,h,e]
  v[b,l,h,e] = n[b,l,d] * wv[d,h,e]
  k2[b,s,h,e] = extent(l) == extent(s) ? k[b,s,h,e] : s == at ? k[b,0,h,e] : kc[b,s,h,e]
  v2[b,s,h,e] = extent(l) == extent(s) ? v[b,s,h,e] : s == at ? v[b,0,h,e] : vc[b,s,h,e]
  score[b,h,l,s] = sum[e](q[b,l,h,e] * k2[b,s,h,e]) / sqrt(extent(e))
  p[b,h,l,s] = softmax[s | s <= l+at](score[b,h,l,s])
  a[b,l,h,e] = p[b,h,l,s] * v2[b,s,h,e]
  g[b,l,d] = x[b,l,d] + sum[h,e](a[b,l,h,e] * wo[h,e,d])
  y = g + mlp(rmsnorm(g), 4 * extent(d))
}

model net(x: id<V>[b,l], at, kc[N,b,S,H,E], vc[N,b,S,H,E]) -> logits[b,l,V], k2[N,b,S,H,E], v2[N,b,S,H,E] {
  param place[S,D] ~ normal(0, 0.1)
  w = embedding(x, D)
  h[b,l,d] = w[b,l,d] + place[l+at,d]
  for i in N {
    ki[b,s,h,e] = kc[i,b,s,h,e]
    vi[b,s,h,e] = vc[i,b,s,h,e]
    h, kn, vn = layer(h, at, ki, vi)
  } emit k2[i,b,s,h,e] = kn[b,s,h,e], v2[i,b,s,h,e] = vn[b,s,h,e]
  logits = linear(rmsnorm(h), V)
}

op logits_of(x: id<V>[B,L]) -> z[B,L,V] {
  none[n in N, b in B, s in S, h in H, e in E] = 0.0
  z, k, v = net(x, 0, none, none)
}

loss main(x: id<V>[B,L+1]) {
  past[b, l in L] = x[b,l]
  z = logits_of(past)
  minimize mean[b,l](logsumexp[v](z[b,l,v]) - z[b,l,x[b,l+1]])
}

sampler cached(temperature = 0.0 in 0 .. 10, prompt: id<V>[L] = "") {
  state x[b,l] = prompt.given[l] ? prompt[l] : 0
  state kc[n in N, b, s, h, e] = 0.0
  state vc[n in N, b, s, h, e] = 0.0
  for i in 0 .. L-2 {
    now[b, q in 1] = x[b,i]
    z, kc, vc = net(now, i, kc, vc)
    next[b] = argmax[v](z[b,0,v] + temperature * gumbel())
    x[b,s] = s == i + 1 && !prompt.given[s] ? next[b] : x[b,s]
  }
  emit x[b,l]
}

sampler uncached(temperature = 0.0 in 0 .. 10, prompt: id<V>[L] = "") {
  state x[b,l] = prompt.given[l] ? prompt[l] : 0
  for i in 0 .. L-2 {
    z = logits_of(x)
    next[b] = argmax[v](z[b,i,v] + temperature * gumbel())
    x[b,s] = s == i + 1 && !prompt.given[s] ? next[b] : x[b,s]
  }
  emit x[b,l]
}

train { loss main  adamw(lr = 0.01)  batch B  steps 20  clip 1.0  ema 0.9 }
