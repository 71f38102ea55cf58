# A selective state-space model: a causal convolution of each channel, then a recurrence whose
# step, input and output weights follow from the symbol (Gu and Dao 2023, Mamba, algorithm 2).
use nn
data text { source "../../models/verse.txt"  tokens chars  split 0.9 }

dim B = 2, L = 16, V = text.vocab
dim D = 8, I = 2 * D, S = 4, R = 2, K = 4  # width, inner width, state, rank of a step, taps
const N = 2

block mamba(x[b,l,d]) -> y[b,l,d] {
  param wu[d,I], wz[d,I] ~ normal(0, 1 / sqrt(extent(d)))
  param taps[K,I] ~ normal(0, 0.5)
  param c[I] = 0
  param ws[I,R], wb[I,S], wc[I,S] ~ normal(0, 1 / sqrt(I))
  param wt[R,I] ~ normal(0, 1 / sqrt(R))
  param ct[I] = -3  # steps begin near softplus(-3) = 0.05
  param rate[I,S] = log(s + 1)
  param past[I] = 1
  param wo[I,d] ~ normal(0, 1 / sqrt(I))
  n = rmsnorm(x)
  a[b,l,i] = n[b,l,d] * wu[d,i]
  z[b,l,i] = n[b,l,d] * wz[d,i]
  u[b,l,i] = silu(sum[k](a[b, l+k-K+1 else 0, i] * taps[k,i]) + c[i])
  low[b,l,r] = u[b,l,i] * ws[i,r]
  step[b,l,i] = softplus(sum[r](low[b,l,r] * wt[r,i]) + ct[i])
  into[b,l,s] = u[b,l,i] * wb[i,s]
  out[b,l,s] = u[b,l,i] * wc[i,s]
  scan l carry h[b in extent(b), i in I, s in S] = 0.0 {
    h[b,i,s] = exp(-step[b,l,i] * exp(rate[i,s])) * h[b,i,s] + step[b,l,i] * u[b,l,i] * into[b,l,s]
    o[b,i] = h[b,i,s] * out[b,l,s]
  } emit v[b,l,i] = o[b,i]
  g[b,l,i] = (v[b,l,i] + past[i] * u[b,l,i]) * silu(z[b,l,i])
  y[b,l,d] = x[b,l,d] + sum[i](g[b,l,i] * wo[i,d])
}

model net(x: id<V>[B,L]) -> logits[B,L,V] {
  param symbol[V,D] ~ normal(0, 1)
  h[b,l,d] = symbol[x[b,l],d]
  for i in N { h = mamba(h) }
  logits = linear(rmsnorm(h), V)
}

loss main(x: id<V>[B,L+1]) {
  past[b, l in L] = x[b,l]
  z = net(past)
  minimize mean[b,l](logsumexp[v](z[b,l,v]) - z[b,l,x[b,l+1]])
}

train { loss main  adam(lr = 0.003)  batch B  steps 20 }
