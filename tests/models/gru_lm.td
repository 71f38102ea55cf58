# A recurrent language model: embeddings, two gated recurrent units, next-symbol loss.
use nn
data text { source "verse.txt"  tokens chars  split 0.9 }

dim B = 4, L = 24, V = text.vocab
dim D = 16, K = 24

block recurrent(x[b,t,i], k) -> y[b,t,k] {
  param w[3,i,k], u[3,k,k] ~ normal(0, 0.2)
  param c[3,k] = 0
  h0[b,k] = 0.0 * x[b,0,0]
  y = gru(x, h0, w, u, c)
}

model net(x: id<V>[b,l]) -> logits[b,l,V] {
  h = recurrent(recurrent(embedding(x, D), K), K)
  logits = linear(h, V)
}

loss main(x: id<V>[B,L+1]) {
  past[b, l in L] = x[b,l]
  z = net(past)
  minimize mean[b,l](cross_entropy(z, shifted(x))[b,l])
}

op shifted(x: id<V>[b,l]) -> y[b,l-1] { y[b, s in l-1] = x[b,s+1] }

# One symbol at a time; the whole prefix is read again at each (see causal.td for a cache).
sampler left(temperature = 0.8 in 0 .. 10, prompt: id<V>[L] = "") {
  state x[b in B, l in L] = prompt.given[l] ? prompt[l] : uniform(V)
  for i in 0 .. L-2 {
    z = net(x)
    next[b] = categorical[v](tempered(z, temperature)[b,i,v])
    x[b,s] = s == i + 1 ? (prompt.given[s] ? prompt[s] : next[b]) : x[b,s]
  }
  emit x[b,s]
}

train { loss main  adam(lr = 0.01)  batch B  steps 20 }
