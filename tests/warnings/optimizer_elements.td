use nn
data text { source "../models/verse.txt" }
dim B = 2, L = 8, V = text.vocab
model net(x: id<V>[B,L]) -> y[B,L,V] { y = embedding(x, V) }
loss main(x: id<V>[B,L]) { minimize mean[b,l](cross_entropy(net(x), x)[b,l]) }
# Nothing to say: each element of its own, though through a loop, a stack and a sum of its powers.
op series(p[n], g[n], m[n], lr = 0.1) -> q[n], m2[n] {
  u[i] = g[i]
  scan k in 3 carry s[i in n] = m[i] { s[i] = 0.5 * s[i] + u[i] } emit t[k,i] = s[i]
  m2[i] = t[2,i]
  q[i] = p[i] - lr * (s[i] + sum[k in 3](t[k,i] * pow(0.1, real(k))))
}
train { loss main  series(lr = 0.1)  steps 5 }
#! tests/warnings/optimizer_elements.td: no errors
