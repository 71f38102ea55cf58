# A layer with gelu, a softmax: the example that compiler/cuda/README.md follows to its launches.
use nn
dim B = 192, D = 96, H = 128

model layer(x[B,D]) -> p[B,H] {
  param w[D,H], c[H] ~ normal(0, 0.1)
  a[b,k] = x[b,d] * w[d,k]
  h[b,k] = gelu(a[b,k] + c[k])
  p[b,k] = softmax[k](h[b,k])
}
