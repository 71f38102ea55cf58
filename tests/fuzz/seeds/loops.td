# loops in loops, what they carry and emit
dim B = 2, T = 4, D = 3
param w[D,D], u[D] ~ normal(0, 0.1)
data text { source "t.txt" }
dim V = text.vocab
block layer(x[b,d]) -> y[b,d] {
  param a[d,d] ~ normal(0, 1 / d)
  @save h[b,e] = tanh(sum[d](x[b,d] * a[d,e]))
  y[b,d] = x[b,d] + h[b,d] * u[d]
}
op recur(x[b,t,d]) -> y[b,t,d], last[b,d] {
  scan t carry h[b,d] = 0.0 {
    @recompute g[b,e] = sigmoid(sum[d](h[b,d] * w[d,e]))
    h[b,d] = g[b,d] * h[b,d] + (1 - g[b,d]) * x[b,t,d]
  } emit y[b,t,d] = h[b,d]
  last[b,d] = y[b,extent(t) - 1,d]
}
loss main(x: id<V>[B,T]) {
  e[b,t,d] = u[d] * real(x[b,t] % 3) + w[d, min(t, D - 1)]
  y, last = recur(e)
  h = last
  for i in 3 { h = layer(h) }
  for i in 4 .. 1 {
    for j in 0 : 2 { h[b,d] = h[b,d] / (i + j) + (j > 0 ? u[d] : 0.0) }
  }
  t[a in D, c in D] = w[a,c]
  for i in 1 { t[a,c] = t[c,a] }
  minimize sum[b,d](h[b,d]^2) + mean[b,t,d](y[b,t,d]) + sum[a,c](t[a,c] * w[c,a])
}
train { loss main  adamw(lr = cosine(1e-3, step, steps), weight_decay = 0.1)  steps 5  clip 1  ema 0.9 }
