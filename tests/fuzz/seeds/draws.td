# draws, samplers, text parameters, logs
use nn
data text { source "t.txt"  tokens bytes  split 0.5  seed 3 }
dim B = 2, L = 4, V = text.vocab, D = 4
const T = 3
schedule noise[T] {
  beta[t] = lerp(0.001, 0.5, t / (T - 1))
  abar[t] = prod[s <= t](1 - beta[s])
}
model net(x: id<V>[B,L], t: id<T>[B]) -> z[B,L,V] {
  h = dropout(embedding(x, D), 0.1) + linear(sinusoid_of(t, D), D)
  z = project(rmsnorm(mlp(h, D)), V)
}
loss main(x: id<V>[B,L]) {
  t[b] ~ uniform(T)
  m[b,l] ~ bernoulli(noise.abar[t[b]])
  r[b,l] ~ uniform(V)
  xt[b,l] = m[b,l] ? x[b,l] : r[b,l]
  z = net(xt, t)
  log kept = mean[b,l](m[b,l] ? 1.0 : 0.0)
  minimize mean[b,l](cross_entropy(z, x)[b,l])
}
metric wrong(x: id<V>[B,L]) {
  t[b] = 0
  z = net(x, t)
  report mean[b,l](argmax[v](z[b,l,v]) == x[b,l] ? 0.0 : 1.0)
}
sampler back(temperature = 0.8, steps = 3, prompt: id<V>[L] = "ab") {
  state x[B,L] ~ uniform(V)
  for t, u in T-1 .. 0 steps steps {
    z = net(x, t)
    c[b,l] = categorical[v](z[b,l,v] / temperature)
    x[b,l] = prompt.given[l] ? prompt[l] : u >= 0 ? c[b,l] : argmax[v](z[b,l,v])
  }
  log sure[b,l] = text.unigram[x[b,l]]
  emit x[b,l]
}
train { loss main  adam(lr = 0.01)  steps 9  batch B  sample back every 3  eval every 2 batches 1  checkpoint every 4  keep 1  patience 2  log every 1 }
precision { act bf16 }
