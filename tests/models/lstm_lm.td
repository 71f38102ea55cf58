# The recurrent language model again, with long short-term memory and stacked layers in a loop.
use nn
data text { source "verse.txt"  tokens chars  split 0.9 }

dim B = 4, L = 24, V = text.vocab, K = 16
const N = 2

block recurrent(x[b,t,k]) -> y[b,t,k] {
  param w[4,K,K], u[4,K,K] ~ normal(0, 0.2)
  param c[4,K] = 0
  zero[b, k in K] = 0.0 * x[b,0,k]
  y = lstm(x, zero, zero, w, u, c)
}

model net(x: id<V>[B,L]) -> logits[B,L,V] {
  h = embedding(x, K)
  for i in N { h = h + recurrent(h) }
  logits = linear(h, V)
}

loss main(x: id<V>[B,L+1]) {
  past[b, l in L] = x[b,l]
  z = net(past)
  nll[b,l] = logsumexp[v](z[b,l,v]) - z[b,l,x[b,l+1]]
  log accuracy = mean[b,l](argmax[v](z[b,l,v]) == x[b,l+1] ? 1.0 : 0.0)
  minimize mean[b,l](nll[b,l])
}

metric bits(x: id<V>[B,L+1]) {
  past[b, l in L] = x[b,l]
  z = net(past)
  report mean[b,l](logsumexp[v](z[b,l,v]) - z[b,l,x[b,l+1]]) / log(2)
}

sampler left(temperature = 1.0 in 0 .. 10) {
  state x[B,L] ~ uniform(V)
  for i in 0 .. L-2 {
    z = net(x)
    next[b] = categorical[v](tempered(z, temperature)[b,i,v])
    x[b,s] = s == i + 1 ? next[b] : x[b,s]
  }
  emit x[b,s]
}

train { loss main  sgd(lr = 0.5, momentum = 0.9)  batch B  steps 20  clip 1.0 }
