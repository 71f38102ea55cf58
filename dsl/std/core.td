# What every file sees without asking: small numeric helpers, learning-rate
# schedules, optimizers.

const pi = 3.141592653589793

# a at t = 0, b at t = 1, linear between.
op lerp(a, b, t) -> y = a + (b - a) * t

# x kept inside lo .. hi.
op clamp(x[...], lo, hi) -> y[...] = max(lo, min(x[...], hi))

# The tangent, x in radians.
op tan(x[...]) -> y[...] = sin(x[...]) / cos(x[...])

# x, and no gradient passes: a constant as far as derivatives are concerned.
op stop(x[...]) -> y[...] = x[...] grad(dy) {} nocheck

# A draw from the standard Gumbel distribution: -log(-log u), u in (0, 1).
op gumbel() -> g = -log(-log(uniform()))

# ---- learning rates: scalars of the step (1 at the first) ----------------------

# Linear warm-up over `warmup` steps, then a cosine from `peak` down to
# `peak * floor` at step `total` (Loshchilov and Hutter 2017).
op cosine(peak, step, total, warmup = 200, floor = 0.1) -> lr {
  s = real(step)
  ramp = min(1, s / max(1, warmup))
  x = clamp((s - warmup) / max(1, total - warmup), 0, 1)
  lr = peak * ramp * (floor + (1 - floor) * 0.5 * (1 + cos(pi * x)))
}

# Linear warm-up over `warmup` steps, then constant.
op warm(peak, step, warmup = 200) -> lr = peak * min(1, real(step) / max(1, warmup))

# ---- optimizers -------------------------------------------------------------------
# The first two parameters are the weights and their gradient; further tensors are
# state, zero at first, returned in the same order; `step` counts from 1; `decay`
# is 1 for matrices and 0 for everything else.

# Adam (Kingma and Ba 2015, algorithm 1).
op adam(p[...], g[...], m[...], v[...], step, lr = 0.001, beta1 = 0.9, beta2 = 0.999, eps = 1e-8)
    -> p2[...], m2[...], v2[...] {
  m2[...] = beta1 * m[...] + (1 - beta1) * g[...]
  v2[...] = beta2 * v[...] + (1 - beta2) * g[...]^2
  c1 = 1 - pow(beta1, real(step))
  c2 = 1 - pow(beta2, real(step))
  p2[...] = p[...] - lr * (m2[...] / c1) / (sqrt(v2[...] / c2) + eps)
}

# AdamW (Loshchilov and Hutter 2019, algorithm 2): decay of matrices, apart from the gradient.
op adamw(p[...], g[...], m[...], v[...], step, decay, lr = 0.001, beta1 = 0.9, beta2 = 0.99, eps = 1e-8, weight_decay = 0.1)
    -> p2[...], m2[...], v2[...] {
  m2[...] = beta1 * m[...] + (1 - beta1) * g[...]
  v2[...] = beta2 * v[...] + (1 - beta2) * g[...]^2
  c1 = 1 - pow(beta1, real(step))
  c2 = 1 - pow(beta2, real(step))
  p2[...] = p[...] * (1 - lr * weight_decay * decay) - lr * (m2[...] / c1) / (sqrt(v2[...] / c2) + eps)
}

# Stochastic gradient descent with momentum (Sutskever et al. 2013).
op sgd(p[...], g[...], m[...], decay, lr = 0.1, momentum = 0.9, weight_decay = 0) -> p2[...], m2[...] {
  m2[...] = momentum * m[...] + g[...] + weight_decay * decay * p[...]
  p2[...] = p[...] - lr * m2[...]
}
