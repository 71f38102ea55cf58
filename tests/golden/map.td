# A bigram model: the example that compiler/README.md follows from text to launch.
data text { source "../models/verse.txt"  tokens chars  split 0.9 }
dim B = 4, L = 16, D = 32, V = text.vocab

model next(x: id<V>[B,L]) -> z[B,L,V] {
  param e[V,D], w[D,V] ~ normal(0, 0.1)
  h[b,l,d] = e[x[b,l],d]
  n[b,l,d] = h[b,l,d] * rsqrt(mean[d](h[b,l,d]^2) + 1e-6)
  z[b,l,v] = n[b,l,d] * w[d,v]
}

loss main(x: id<V>[B,L+1]) {
  past[b, l in L] = x[b,l]
  z = next(past)
  minimize mean[b, l in L](logsumexp[v](z[b,l,v]) - z[b,l,x[b,l+1]])
}

train { loss main  adam(lr = 0.01)  batch B  steps 20 }
