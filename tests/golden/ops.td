# Two ops: an example of README.md.
# y = x sigmoid(slope x), then unit mean square over the last axis
op swish_norm(x[..., d], slope = 1.0) -> y[..., d] {
  s[..., d] = x[..., d] * sigmoid(slope * x[..., d])
  y[..., d] = s[..., d] * rsqrt(mean[d](s[..., d]^2) + 1e-6)
}

# rounding forward, the identity backward
op round_st(x[...]) -> y[...] = round(x[...]) grad(dy) { dx[...] = dy[...] } nocheck
