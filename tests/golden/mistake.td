# A block with a mistake: an example of README.md.
use nn
dim B = 2, L = 8, D = 16, F = 64

block feed(x[b,l,d]) -> y[b,l,d] {
  param w1[D,F], w2[F,D] ~ normal(0, 0.1)
  h[b,l,f] = gelu(sum[d](x[b,l,d] * w1[d,f]))
  y[b,l,d] = h[b,l,f] * w2[d,f]
}

model net(x[B,L,D]) -> y[B,L,D] { y = feed(x) }
