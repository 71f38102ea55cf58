# A causal transformer whose hidden layers are mixtures of experts: each symbol goes to the one
# its router likes best, at most C of a row to each, the others pass by (Lepikhin et al. 2021;
# Fedus et al. 2022, Switch Transformer, whose loss of balance it has).
use nn
data text { source "../../models/verse.txt"  tokens chars  split 0.9 }

dim B = 2, L = 16, V = text.vocab
dim D = 16, H = 2, E = D / H, F = 2 * D
dim X = 4, C = 3 * L / (2 * X)  # experts, places of a row in each: half as many again as symbols
const N = 2
axis S = L

block attend(x[b,l,d]) -> y[b,l,d] {
  param wq[d,H,E], wk[d,H,E], wv[d,H,E], wo[H,E,d] ~ normal(0, 1 / sqrt(D))
  n = rmsnorm(x)
  q[b,l,h,e] = n[b,l,d] * wq[d,h,e]
  k[b,s,h,e] = n[b,s,d] * wk[d,h,e]
  v[b,s,h,e] = n[b,s,d] * wv[d,h,e]
  a = causal_attention(q, k, v)
  y[b,l,d] = x[b,l,d] + sum[h,e](a[b,l,h,e] * wo[h,e,d])
}

# x to its expert and back, and how uneven their loads are: 1 where they are equal.
block experts(x[b,l,d]) -> y[b,l,d], balance {
  param route[d,X] ~ normal(0, 1 / sqrt(D))
  param w1[X,d,F] ~ normal(0, 1 / sqrt(D))
  param w2[X,F,d] ~ normal(0, 1 / sqrt(F))
  n = rmsnorm(x)
  z[b, l, j in X] = n[b,l,d] * route[d,j]
  p[b, l, j in X] = softmax[j](z[b,l,j])
  best[b,l] = argmax[j](z[b,l,j])
  place[b,l] = sum[m in L | m < l && best[b,m] == best[b,l]](1)
  who[j in X, b, c in C] = max[l](best[b,l] == j && place[b,l] == c ? l : -1)
  given[j in X, b, c in C, d] = who[j,b,c] >= 0 ? n[b, max(who[j,b,c], 0), d] : 0.0
  f[j, b, c, k in F] = gelu(sum[d](given[j,b,c,d] * w1[j,d,k]))
  o[j,b,c,d] = f[j,b,c,k] * w2[j,k,d]
  back[b,l,d] = place[b,l] < C ? o[best[b,l], b, min(place[b,l], C - 1), d] : 0.0
  y[b,l,d] = x[b,l,d] + p[b,l,best[b,l]] * back[b,l,d]
  share[j in X] = mean[b,l](best[b,l] == j ? 1.0 : 0.0)
  mass[j in X] = mean[b,l](p[b,l,j])
  balance = X * sum[j](share[j] * mass[j])
}

model net(x: id<V>[B,L]) -> logits[B,L,V], uneven {
  param symbol[V,D], place[L,D] ~ normal(0, 1)
  h[b,l,d] = symbol[x[b,l],d] + place[l,d]
  uneven = 0.0
  for i in N {
    g = attend(h)
    h, more = experts(g)
    uneven = uneven + more / N
  }
  logits = linear(rmsnorm(h), V)
}

loss main(x: id<V>[B,L+1]) {
  past[b, l in L] = x[b,l]
  z, uneven = net(past)
  nll = mean[b,l](logsumexp[v](z[b,l,v]) - z[b,l,x[b,l+1]])
  log balance = uneven
  minimize nll + 0.01 * uneven
}

train { loss main  adam(lr = 0.003)  batch B  steps 20 }
