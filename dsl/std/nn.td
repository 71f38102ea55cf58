# The library of layers. Every op says its shapes and where it comes from.

# ---- activations: elementwise ------------------------------------------------------

op relu(x[...]) -> y[...] = max(x[...], 0)
op leaky_relu(x[...], slope = 0.01) -> y[...] = x[...] > 0 ? x[...] : slope * x[...]

# x Phi(x), exact (Hendrycks and Gimpel 2016).
op gelu(x[...]) -> y[...] = 0.5 * x[...] * (1 + erf(x[...] * 0.7071067811865476))

# The tanh form of gelu.
op gelu_tanh(x[...]) -> y[...] = 0.5 * x[...] * (1 + tanh(0.7978845608028654 * (x[...] + 0.044715 * x[...]^3)))

# x sigmoid(x) (Elfwing et al. 2018).
op silu(x[...]) -> y[...] = x[...] * sigmoid(x[...])

# log(1 + e^x), safe at both ends.
op softplus(x[...]) -> y[...] = max(x[...], 0) + log(1 + exp(-abs(x[...])))

# relu(x)^2 (So et al. 2021).
op relu2(x[...]) -> y[...] = max(x[...], 0)^2

# ---- discrete ------------------------------------------------------------------------

# 1 at the symbol, 0 elsewhere: [...] of symbols below V -> [..., V].
op onehot(x: id<V>[...]) -> y[..., v in V] = x[...] == v ? 1.0 : 0.0

# Rows of a table: [...] of symbols below V -> [..., D].
block embedding(x: id<V>[...], D) -> y[..., D] {
  param table[V,D] ~ normal(0, 0.02)
  y[..., d in D] = table[x[...], d]
}

# ---- layers ----------------------------------------------------------------------------

# x W + b over the last axis: [..., d] -> [..., o].
block linear(x[..., d], o) -> y[..., o] {
  param w[d,o] ~ normal(0, 0.02)
  param b[o] = 0
  y[..., o] = sum[d](x[..., d] * w[d,o]) + b[o]
}

# x W over the last axis, without a bias.
block project(x[..., d], o) -> y[..., o] {
  param w[d,o] ~ normal(0, 0.02)
  y[..., o] = sum[d](x[..., d] * w[d,o])
}

# linear, gelu, linear: [..., d] -> [..., d] through `hidden`.
block mlp(x[..., d], hidden) -> y[..., d] {
  h = gelu(linear(x, hidden))
  y = linear(h, d)
}

# Zero mean and unit variance over the last axis, then gain and bias (Ba et al. 2016).
block layernorm(x[..., d], eps = 1e-5) -> y[..., d] {
  param gain[d] = 1
  param bias[d] = 0
  mu[...] = mean[d](x[..., d])
  var[...] = mean[d]((x[..., d] - mu[...])^2)
  scale[...] = rsqrt(var[...] + eps)
  y[..., d] = (x[..., d] - mu[...]) * scale[...] * gain[d] + bias[d]
}

# Unit root mean square over the last axis (Zhang and Sennrich 2019).
block rmsnorm(x[..., d], eps = 1e-6) -> y[..., d] {
  param gain[d] = 1
  scale[...] = rsqrt(mean[d](x[..., d]^2) + eps)
  y[..., d] = x[..., d] * scale[...] * gain[d]
}

# Zero with probability p and scaled by 1 / (1 - p) otherwise, while training
# (Srivastava et al. 2014); the identity else. No mask is kept: it is drawn again.
op dropout(x[...], p) -> y[...] = training && p > 0 ? (uniform() < p ? 0 : x[...] / (1 - p)) : x[...]

# ---- attention -----------------------------------------------------------------------------

# softmax(q k / sqrt(e)) v for every head (Vaswani et al. 2017): b batch, l queries,
# s keys, h heads, e width of a head.
op attention(q[b,l,h,e], k[b,s,h,e], v[b,s,h,e]) -> y[b,l,h,e] {
  score[b,h,l,s] = sum[e](q[b,l,h,e] * k[b,s,h,e])
  p[b,h,l,s] = softmax[s](score[b,h,l,s] / sqrt(e))
  y[b,l,h,e] = p[b,h,l,s] * v[b,s,h,e]
}

# The same, each query seeing keys up to its own position.
op causal_attention(q[b,l,h,e], k[b,s,h,e], v[b,s,h,e]) -> y[b,l,h,e] {
  score[b,h,l,s] = sum[e](q[b,l,h,e] * k[b,s,h,e])
  p[b,h,l,s] = softmax[s | s <= l](score[b,h,l,s] / sqrt(e))
  y[b,l,h,e] = p[b,h,l,s] * v[b,s,h,e]
}

# ---- positions --------------------------------------------------------------------------------

# Sines and cosines of a position (Vaswani et al. 2017): [l] -> [l, d], alternating.
op sinusoid(l, d) -> y[l,d] = sin(l / pow(10000, (d - d % 2) / extent(d)) + d % 2 * 1.5707963267948966)

# The same of given positions or time steps: integers [...] -> [..., d].
op sinusoid_of(t[...], d) -> y[..., d] = sin(t[...] / pow(10000, (d - d % 2) / extent(d)) + d % 2 * 1.5707963267948966)

# Rotary positions (Su et al. 2021): pairs (2i, 2i+1) of the last axis turn with position l.
op rope(x[b,l,h,e]) -> y[b,l,h,e] {
  angle[l,e] = l / pow(10000, (e - e % 2) / extent(e))
  other[b,l,h,e] = e % 2 == 0 ? -x[b, l, h, e+1 else 0] : x[b, l, h, e-1 else 0]
  y[b,l,h,e] = x[b,l,h,e] * cos(angle[l,e]) + other[b,l,h,e] * sin(angle[l,e])
}

# ---- recurrence ----------------------------------------------------------------------------------

# A gated recurrent unit over time t (Cho et al. 2014): x [b, t, i], state h0 [b, k],
# input weights w [3, i, k], recurrent weights u [3, k, k], bias c [3, k], in the order reset, update, candidate.
op gru(x[b,t,i], h0[b,k], w[3,i,k], u[3,m,k], c[3,k]) -> y[b,t,k] {
  a[b,t,g,k] = sum[i](x[b,t,i] * w[g,i,k]) + c[g,k]
  scan t carry h[b,k] = h0[b,k] {
    n[b,g,k] = h[b,m] * u[g,m,k]
    r[b,k] = sigmoid(a[b,t,0,k] + n[b,0,k])
    z[b,k] = sigmoid(a[b,t,1,k] + n[b,1,k])
    q[b,k] = tanh(a[b,t,2,k] + r[b,k] * n[b,2,k])
    h[b,k] = (1 - z[b,k]) * q[b,k] + z[b,k] * h[b,k]
  } emit y[b,t,k] = h[b,k]
}

# Long short-term memory over time t (Hochreiter and Schmidhuber 1997): gates in the
# order input, forget, candidate, output; w [4, i, k], u [4, k, k], c [4, k].
op lstm(x[b,t,i], h0[b,k], c0[b,k], w[4,i,k], u[4,m,k], c[4,k]) -> y[b,t,k] {
  a[b,t,g,k] = sum[i](x[b,t,i] * w[g,i,k]) + c[g,k]
  scan t carry h[b,k] = h0[b,k], s[b,k] = c0[b,k] {
    n[b,g,k] = sum[m](h[b,m] * u[g,m,k]) + a[b,t,g,k]
    s[b,k] = sigmoid(n[b,1,k]) * s[b,k] + sigmoid(n[b,0,k]) * tanh(n[b,2,k])
    h[b,k] = sigmoid(n[b,3,k]) * tanh(s[b,k])
  } emit y[b,t,k] = h[b,k]
}

# ---- losses -----------------------------------------------------------------------------------------

# -log softmax(logits)[target] at each place, in nats: [..., v] and symbols [...] -> [...].
op cross_entropy(logits[..., v], target: id<v>[...]) -> y[...] {
  z[...] = logsumexp[v](logits[..., v])
  y[...] = z[...] - logits[..., target[...]]
}

# Mean squared difference over everything.
op squared_error(x[...], y[...]) -> d[...] = (x[...] - y[...])^2

# KL(N(mu, e^logvar) || N(0, 1)) at each place, in nats (Kingma and Welling 2014).
op kl_normal(mu[...], logvar[...]) -> y[...] = 0.5 * (mu[...]^2 + exp(logvar[...]) - 1 - logvar[...])

# ---- sampling ----------------------------------------------------------------------------

# Logits at a temperature, the greatest of each row at 0: z / temperature but for a number
# that a softmax does not see. At 0 what is not the greatest is -inf, so that a softmax or a
# draw is greedy; equal ones share.
op tempered(z[..., v], temperature) -> y[..., v] {
  top[...] = max[v](z[..., v])
  cold[..., v] = z[..., v] < top[...] && temperature <= 0
  y[..., v] = z[..., v] == top[...] ? 0.0 : cold[..., v] ? -inf : (z[..., v] - top[...]) / temperature
}
