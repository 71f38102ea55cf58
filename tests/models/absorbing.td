# Absorbing (masked) diffusion: a share of the symbols is hidden, the network names
# them, the sampler uncovers them in the order of its confidence. Text may be given
# anywhere.
use nn
data text { source "verse.txt"  tokens chars  split 0.9 }

dim B = 4, L = 24, V = text.vocab, M = V + 1  # M: the symbols and the mask
dim D = 32, H = 2, E = D / H
const N = 2, T = 12

block layer(x[b,l,d]) -> y[b,l,d] {
  param wq[d,H,E], wk[d,H,E], wv[d,H,E] ~ normal(0, 0.1)
  param wo[H,E,d] ~ normal(0, 0.1)
  n = layernorm(x)
  q[b,l,h,e] = n[b,l,d] * wq[d,h,e]
  k[b,s,h,e] = n[b,s,d] * wk[d,h,e]
  v[b,s,h,e] = n[b,s,d] * wv[d,h,e]
  a = attention(q, k, v)
  g[b,l,d] = x[b,l,d] + sum[h,e](a[b,l,h,e] * wo[h,e,d])
  y = g + mlp(layernorm(g), 2 * extent(d))
}

model net(x: id<M>[B,L]) -> logits[B,L,V] {
  h = embedding(x, D) + sinusoid(L, D)
  for i in N { h = layer(h) }
  logits = linear(layernorm(h), V)
}

# Exactly k symbols are hidden, k uniform in 1 .. L: the mean over them of the cross
# entropy is a bound on the log-likelihood.
loss main(x: id<V>[B,L]) {
  k[b] ~ uniform(L)
  r[b,l] ~ uniform()
  place[b,l] = sum[m](r[b,m] < r[b,l] ? 1 : 0)
  hidden[b,l] = place[b,l] <= k[b]
  z = net(masked(x, hidden))
  nll[b,l] = logsumexp[v](z[b,l,v]) - z[b,l,x[b,l]]
  minimize mean[b](sum[l | hidden[b,l]](nll[b,l]) / real(k[b] + 1))
}

op masked(x: id<V>[b,l], hidden[b,l]) -> y[b,l] { y[b,l] = hidden[b,l] ? V : x[b,l] }

sampler confident(temperature = 0.5 in 0 .. 10, steps = 12, prompt = "") {
  state x[b,l] = prompt.given[l] ? prompt[l] : V
  for t, u in T-1 .. 0 steps steps {
    z = net(x)
    pick[b,l] = categorical[v](tempered(z, temperature)[b,l,v])
    lse[b,l] = logsumexp[v](z[b,l,v])
    sure[b,l] = x[b,l] == V ? z[b,l,pick[b,l]] - lse[b,l] : -inf
    place[b,l] = sum[m](sure[b,m] > sure[b,l] || (sure[b,m] == sure[b,l] && m < l) ? 1 : 0)
    left[b] = sum[l](x[b,l] == V ? 1 : 0)
    freed[b] = int(real(left[b]) * real(u + 1) / real(t + 1))
    open[b] = left[b] - max(0, min(freed[b], left[b]))
    x[b,l] = x[b,l] == V && place[b,l] < open[b] ? pick[b,l] : x[b,l]
  }
  emit min(x[b,l], V - 1)
}

train { loss main  adam(lr = 0.01)  batch B  steps 20 }
