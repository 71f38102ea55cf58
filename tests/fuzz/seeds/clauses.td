# gradients of one's own, optimizers, defaults, several results
data text { source "t.txt" }
dim B = 2, K = 4, V = text.vocab
axis S = K
param w[B,K] ~ normal(0, 0.5)
op round_st(x[...]) -> y[...] = round(x[...]) grad(dy) { dx[...] = dy[...] } nocheck
op log_safe(x[...]) -> y[...] = log(max(x[...], 1e-6))
  grad(dy) { dx[...] = x[...] > 1e-6 ? dy[...] / x[...] : 0 }
op halves(x[b,l], by = 2.0) -> even[b,l / 2 + 1], odd[b,l / 2] {
  even[b,i in l / 2 + 1] = by * x[b,2 * i else 0]
  odd[b,i in l / 2] = x[b,2 * i + 1]
}
op heavy(p[...], g[...], m[...], decay, lr = 1e-2, beta = 0.9) -> q[...], m2[...] {
  m2[...] = beta * m[...] + g[...]
  q[...] = p[...] * (1 - 0.1 * lr * decay) - lr * m2[...]
}
op fall(x, n) -> y = n > 0 ? fall(x * x, n - 1) : x
loss main(x: id<V>[B,K]) {
  a, b2 = halves(w, by = 3)
  d[b,k,s in S] = k == s ? w[b,k] : pow(abs(w[b,s]), 1.5)
  e = stop(w) + round_st(w * 2) + log_safe(w)
  f[b,k] = fall(w[b,k], 3)
  minimize sum[b,i](a[b,i]) + sum[b,i](b2[b,i]) + sum[b,k,s](d[b,k,s]) + sum[b,k](e[b,k] * f[b,k])
}
train { loss main  heavy(lr = warm(0.1, step))  steps 4 }
