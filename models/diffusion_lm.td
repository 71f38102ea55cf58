# A text in one latent vector, and diffusion of that: "Diffusion-LM" as an article on diffusion
# for text writes it down in PyTorch, its numbers kept. Two layers of gated recurrent units read
# 64 characters into z of width 128, two others write all of them out of z again, the noise is
# predicted from z_t by one linear map that is not told the time, T = 100, beta from 1e-4 to 0.02.
#
#   tdc train models/diffusion_lm.td          1.45M parameters, six minutes of one core
#   tdc sample models/diffusion_lm.td --weights runs/diffusion_lm
#
# Measured, one seed, as it stands (2,000 steps, 4.1M characters): 14.1 +- 0.2 bits a character, a
# bound, of which the text from its own z takes 4.51 (the symbols' frequencies alone 4.83). So z
# says next to nothing of the text, the linear map little of the noise (mean square error .33),
# and what is sampled is spaces. diffusion_lm_vae.td has other latents.
#
# Loss: mean square error of the noise, and the cross-entropy of the text from z after one step
# back from z_t, for one t of the whole batch. One thing is mended: the article's code divides by
# sqrt(1 - abar_{t-1}), which is 0 at the first time; here is Ho et al.'s sqrt(1 - abar_t).
use nn
data text { source "tiny_shakespeare"  tokens chars  split 0.9 }

dim B = 32, L = 64, V = text.vocab  # rows, characters of a row, symbols (65)
dim D = 128, K = 256                # width of symbols and of z, of recurrent states
const T = 100                       # diffusion steps
const lr = 1e-3, updates = 2000, interval = 200

schedule noise[T] {
  beta[t] = lerp(1e-4, 0.02, t / (T - 1))
  alpha[t] = 1 - beta[t]
  abar[t] = prod[s <= t](alpha[s])
}

# PyTorch's nn.Linear and nn.GRU, begun as they are there.
block affine(x[..., d], o) -> y[..., o] {
  param w[d,o], b[o] ~ uniform(-1 / sqrt(extent(d)), 1 / sqrt(extent(d)))
  y[..., o] = sum[d](x[..., d] * w[d,o]) + b[o]
}
block recurrent(x[b,t,i], k) -> y[b,t,k] {
  param w[3,i,k], u[3,k,k] ~ uniform(-1 / sqrt(extent(k)), 1 / sqrt(extent(k)))
  param c[3,k] ~ uniform(-1 / sqrt(extent(k)), 1 / sqrt(extent(k)))
  h0[b,k] = 0.0 * x[b,0,0]
  y = gru(x, h0, w, u, c)
}

model encode(x: id<V>[B,L]) -> z[B,D] {
  param symbol[V,D] ~ normal(0, 1)
  e[b,l,d] = symbol[x[b,l],d]
  y = recurrent(recurrent(e, K), K)
  last[b,k] = y[b,L-1,k]
  z = affine(last, D)
}

model predict(z[B,D]) -> e[B,D] { e = affine(z, D) }

model decode(z[B,D]) -> logits[B,L,V] {
  r[b,l,d] = z[b,d]
  logits = affine(recurrent(recurrent(r, K), K), V)
}

# The mean of z one step before z_t, of which e is noise.
op back(z[b,d], e[b,d], t: id<T>) -> m[b,d] {
  m[b,d] = (z[b,d] - noise.beta[t] / sqrt(1 - noise.abar[t]) * e[b,d]) / sqrt(noise.alpha[t])
}

loss main(x: id<V>[B,L]) {
  t ~ uniform(T)
  n[b,d] ~ normal()
  again[b,d] ~ normal()
  z = encode(x)
  zt = sqrt(noise.abar[t]) * z + sqrt(1 - noise.abar[t]) * n
  e = predict(zt)
  z0 = back(zt, e, t) + sqrt(noise.beta[t]) * again
  noise_mse = mean[b,d]((e[b,d] - n[b,d])^2)
  nats = mean[b,l](cross_entropy(decode(z0), x)[b,l])
  log noise_mse = noise_mse
  log nats = nats
  minimize nats + noise_mse
}

# Minus the bound of log p(x) in bits a character, for the chain of latents z_{T-1} .. z_0 and
# the text behind them: how far z_{T-1} is from where the sampler starts, the divergences of its
# steps N(m, beta) from q(z_{t-1} | z_t, x), and the text's cross-entropy. All symbols of a row share
# one z, so whole windows count.
metric bits_per_char(x: id<V>[B,L]) bound {
  first ~ uniform()
  n[b,d] ~ normal()
  near[b,d] ~ normal()
  again[b,d] ~ normal()
  z = encode(x)
  t[b] = 1 + int((T - 1) * ((first + b / B) % 1))
  zt[b,d] = sqrt(noise.abar[t[b]]) * z[b,d] + sqrt(1 - noise.abar[t[b]]) * n[b,d]
  e = predict(zt)
  share[b] = (1 - noise.abar[t[b]-1]) / (1 - noise.abar[t[b]])  # of beta: q's variance
  off[b] = noise.beta[t[b]] / (1 - noise.abar[t[b]]) / noise.alpha[t[b]]
  miss[b] = sum[d]((e[b,d] - n[b,d])^2)
  step[b] = 0.5 * (T - 1) * (D * (share[b] - 1 - log(share[b])) + off[b] * miss[b])
  left = 1 - noise.abar[T-1]
  start[b] = 0.5 * (D * (left - 1 - log(left)) + (1 - left) * sum[d](z[b,d]^2))
  z0 = sqrt(noise.abar[0]) * z + sqrt(1 - noise.abar[0]) * near
  read = back(z0, predict(z0), 0) + sqrt(noise.beta[0]) * again
  nats[b] = sum[l](cross_entropy(decode(read), x)[b,l])
  log start_bits = mean[b](start[b]) / (L * log(2))
  log step_bits = mean[b](step[b]) / (L * log(2))
  log decode_bits = mean[b](nats[b]) / (L * log(2))
  report mean[b](start[b] + step[b] + nats[b]) / (L * log(2))
}

# From noise to z in T steps, then the likeliest text of z.
sampler latent() {
  expect W0901 "the article's schedule ends at abar = 0.36, and its sampler starts at N(0, 1)"
  state z[b in B, d in D] ~ normal()
  for t in T-1 .. 0 {
    m = back(z, predict(z), t)
    z[b,d] = m[b,d] + sqrt(noise.beta[t]) * normal()
  }
  y = decode(z)
  log confidence[b,l] = max[v](softmax[v](y[b,l,v]))
  emit argmax[v](y[b,l,v])
}

# From the text's z to noise: from time s, -1 for z itself, to the next, t; and the likeliest text
# of each.
sampler forward(steps = T, clean = "") {
  x[b in B, l] = clean[l]
  state z = encode(x)
  for s, t in -1 .. T-1 steps steps without last {
    ratio = noise.abar[t] / (s >= 0 ? noise.abar[s] : 1.0)
    z[b,d] = sqrt(ratio) * z[b,d] + sqrt(1 - ratio) * normal()
  }
  y = decode(z)
  log confidence[b,l] = max[v](softmax[v](y[b,l,v]))
  emit argmax[v](y[b,l,v])
}

train {
  loss main  adam(lr = lr)  batch B  steps updates
  eval every interval  checkpoint every interval
}
