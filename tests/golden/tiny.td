# The smallest whole program: characters out of noise by one hidden layer. What
# the compiler makes of it is kept in generated/golden/; tests/golden/sample.c uses
# that from C.
use nn
data text { source "../models/verse.txt"  tokens chars  split 0.9 }

dim B = 2, L = 8, V = text.vocab
const T = 4

block denoise(x[b,l,v]) -> y[b,l,v] {
  y = linear(gelu(linear(x, 16)), V)
}

loss main(x: id<V>[B,L]) {
  e[b,l,v] ~ normal()
  d = denoise(onehot(x) + e) - e
  minimize mean[b,l,v](d[b,l,v]^2)
}

sampler walk(steps = T) {
  state s[b in B, l in L, v in V] = normal()
  for t in T-1 .. 0 steps steps { s = s - denoise(s) / (t + 1) }
  emit argmax[v](s[b,l,v])
}

train { loss main  adam(lr = 1e-2)  batch B  steps 20 }
