# Diffusion of latents that a variational autoencoder makes, the form in which an article on
# diffusion for text first describes "Diffusion-LM" (see diffusion_lm.td for its code): a
# transformer writes the text as latents z, here Z numbers a place, another reads it from them, and
# a third restores noised latents. All three learn one bound together (Vahdat et al. 2021, LSGM):
#
#   -log p(x) <= E_q [-log p(x | z) + log q(z | x) - log p(z)],   q(z | x) = N(mu(x), e^logvar(x)),
#
# where diffusion bounds -log p(z): how far z_t is from N(0, 1) at the last time, the integral of
# the square error of z over half of snr = abar / (1 - abar) (Kingma et al. 2021, VDM), and z from
# z_t at the first. Time runs from 0 to 1, snr falls by the same factor in equal times.
#
# A bound from the first step on makes the latents collapse: in a hundred steps they hold nothing,
# since p(z) does not know yet where they lie, and the text takes 4.83 bits a character, what
# symbols by their frequency take. What keeps them in use:
#
#   what p(z) takes reaches the encoder slowly (Bowman et al. 2016): the gradient is scaled by
#     step / (0.75 steps), the value is not, so that p(z) learns all the time
#   mu begins as a code of the symbol, which the context moves later: the text can be read at once
#   z is restored as one of V normals around the codes, whose weights the network names. What
#     z_t says of them by itself is Bayes' rule and added to its logits (Gulrajani and
#     Hashimoto 2023, Plaid); the network learns these weights by cross-entropy besides. The
#     normals begin as one, N(0, 1), and so does p(z): the autoencoder alone, KL and all (kl_bits)
#
#   tdc train models/diffusion_lm_vae.td --act bf16      1.6M parameters, 4.1M characters
#   tdc sample models/diffusion_lm_vae.td --watch --weights runs/diffusion_lm_vae
#   tdc eval models/diffusion_lm_vae.td --weights runs/diffusion_lm_vae
#
# Measured, one seed: 3.77 +- 0.06 bits a character, a bound, of which the text takes 0.001 from its
# latents; of 64 texts at the sampler's temperature, 14% of the words of three letters or more are
# words of the corpus.
use nn
data text { source "tiny_shakespeare"  tokens chars  split 0.9 }

dim B = 32, L = 64, V = text.vocab        # rows, characters of a row, symbols (65)
dim Z = 8                                 # latents of a place
dim D = 128, H = 4, E = D / H, F = 4 * D  # width, heads, width of a head, hidden width
const N = 4, M = 2, T = 100               # layers between latents, layers to and from them, steps
const most = 12.0, least = 0.02           # sqrt(snr) at the first time and at the last
const lr = 2e-3, updates = 2000, average = 0.998, interval = 200
axis S = L  # positions attended to

op snr_at(t) -> snr = exp(2 * lerp(log(most), log(least), t))
op abar_at(t) -> abar = snr_at(t) / (1 + snr_at(t))

# x, and `by` of the gradient.
op slowed(x[...], by) -> y[...] = x[...] grad(dy) { dx[...] = by * dy[...] } nocheck

# Each symbol's own latents.
param code[V,Z] ~ normal(0, 1)

# The normals around them, as p(z) has them: 4 of the first is the scale of their centres, 4 of the
# second the logarithm of their variances.
param trust[1], width[Z] = 0

block layer(x[b,l,d]) -> y[b,l,d] {
  param wq[D,H,E], wk[D,H,E], wv[D,H,E], w1[D,F] ~ normal(0, 1 / sqrt(D))
  param wo[H,E,D], w2[F,D] = 0
  n = rmsnorm(x)
  q[b,l,h,e] = n[b,l,d] * wq[d,h,e]
  k[b,s,h,e] = n[b,s,d] * wk[d,h,e]
  v[b,s,h,e] = n[b,s,d] * wv[d,h,e]
  a = attention(rope(rmsnorm(q)), rope(rmsnorm(k)), v)
  g[b,l,d] = x[b,l,d] + sum[h,e](a[b,l,h,e] * wo[h,e,d])
  m = rmsnorm(g)
  f[b,l,j] = relu2(sum[d](m[b,l,d] * w1[d,j]))
  y[b,l,d] = g[b,l,d] + sum[j](f[b,l,j] * w2[j,d])
}

# Means and log-variances of the latents; these begin at e^-2.
model encode(x: id<V>[B,L]) -> mu[B,L,Z], logvar[B,L,Z] {
  param symbol[V,D] ~ normal(0, 1)
  param wm[D,Z], wv[D,Z] = 0
  h[b,l,d] = symbol[x[b,l],d]
  for i in M { h = layer(h) }
  n = rmsnorm(h)
  mu[b,l,z] = code[x[b,l],z] + sum[d](n[b,l,d] * wm[d,z])
  logvar[b,l,z] = sum[d](n[b,l,d] * wv[d,z]) - 2
}

model decode(z[B,L,Z]) -> logits[B,L,V] {
  param read[Z,D] ~ normal(0, 1)
  h[b,l,d] = z[b,l,c] * read[c,d]
  for i in M { h = layer(h) }
  logits = linear(rmsnorm(h), V)
}

# z_t, and logits of the normals by it alone, to those by all places.
model net(zt[B,L,Z], own[B,L,V], t[B]) -> logits[B,L,V] {
  param read[Z,D], symbol[V,D] ~ normal(0, 1)
  param write[D,V] = 0
  p[b,l,v] = softmax[v](own[b,l,v])
  h[b,l,d] = sum[v](p[b,l,v] * symbol[v,d]) + sum[k](zt[b,l,k] * read[k,d]) / sqrt(Z)
  late[b] = 1000 * t[b]
  c = linear(sinusoid_of(late, 64), D)
  for i in N { h = layer(h + c) }
  n = rmsnorm(h)
  logits[b,l,v] = own[b,l,v] + sum[d](n[b,l,d] * write[d,v])
}

# z_t to an estimate of z. If z is from N(m, s), z_t is from N(sqrt(a) m, all), and z is taken for
# m + s sqrt(a) / all (z_t - sqrt(a) m). That is linear in m: of all normals it is their mean's.
op restore(zt[B,L,Z], t[B], temperature) -> z[B,L,Z], logits[B,L,V] {
  m[v in V, k in Z] = 4 * trust[0] * code[v,k]
  s[k in Z] = exp(4 * width[k])
  a[b] = abar_at(t[b])
  all[b,k] = a[b] * s[k] + 1 - a[b]
  far[b,l,v] = sum[k in Z]((zt[b,l,k] - sqrt(a[b]) * m[v,k])^2 / all[b,k])
  own[b,l,v] = log(text.unigram[v]) - 0.5 * far[b,l,v]
  logits = net(zt, own, t)
  score = tempered(logits, temperature)
  p[b,l,v] = softmax[v](score[b,l,v])
  mid[b,l,k] = sum[v](p[b,l,v] * m[v,k])
  z[b,l,k] = mid[b,l,k] + s[k] * sqrt(a[b]) / all[b,k] * (zt[b,l,k] - sqrt(a[b]) * mid[b,l,k])
}

# The bound of each row in nats a symbol, term by term: the text from z, what p(z) takes more than
# q(z | x), and what N(0, 1) would in its place; and the cross-entropy of the normals' weights. A
# row's time stands for all. `by` of the gradient of what p(z) takes reaches the encoder.
op bound(x: id<V>[b,l], by) -> text_nats[b], latent_nats[b], kl_nats[b], name_nats[b] {
  start ~ uniform()
  n[b, l, k in Z] ~ normal()
  e[b, l, k in Z] ~ normal()
  t[b] = (start + b / extent(b)) % 1
  mu, logvar = encode(x)
  drawn[b,l,k] = mu[b,l,k] + exp(0.5 * logvar[b,l,k]) * n[b,l,k]
  text_nats[b] = mean[l](cross_entropy(decode(drawn), x)[b,l])
  z = slowed(drawn, by)
  s = slowed(logvar, by)
  zt[b,l,k] = sqrt(abar_at(t[b])) * z[b,l,k] + sqrt(1 - abar_at(t[b])) * e[b,l,k]
  guess, named = restore(zt, t, 1)
  name_nats[b] = mean[l](cross_entropy(named, x)[b,l])
  q[b] = -0.5 * mean[l](sum[k](s[b,l,k] + log(2 * pi) + n[b,l,k]^2))
  miss[b] = mean[l](sum[k]((z[b,l,k] - guess[b,l,k])^2))
  inner[b] = log(most / least) * snr_at(t[b]) * miss[b]
  size[b] = mean[l](sum[k](z[b,l,k]^2))
  far = abar_at(1)
  last[b] = 0.5 * (far * size[b] - Z * (far + log(1 - far)))
  near = abar_at(0)
  first[b] = 0.5 * ((1 - near) * size[b] + Z * (near + log(2 * pi * (1 - near))))
  latent_nats[b] = q[b] + last[b] + inner[b] + first[b]
  kl_nats[b] = mean[l](sum[k](kl_normal(mu[b,l,k], logvar[b,l,k])))
}

loss main(x: id<V>[B,L]) {
  text_nats, latent_nats, kl_nats, name_nats = bound(x, min(1, step / (0.75 * steps)))
  log text_nats = mean[b](text_nats[b])
  log latent_nats = mean[b](latent_nats[b])
  log name_nats = mean[b](name_nats[b])
  minimize mean[b](text_nats[b] + latent_nats[b] + name_nats[b])
}

# Whole windows count: the latents of one place may tell, and pay for, the text of another.
metric bits_per_char(x: id<V>[B,L]) bound {
  text_nats, latent_nats, kl_nats, name_nats = bound(x, 1)
  log text_bits = mean[b](text_nats[b]) / log(2)
  log latent_bits = mean[b](latent_nats[b]) / log(2)
  log kl_bits = mean[b](kl_nats[b]) / log(2)
  report mean[b](text_nats[b] + latent_nats[b]) / log(2)
}

# From noise to latents, then the likeliest text of what they are taken for. `temperature` is
# that of the normals' weights, `spread` scales the noise that each step adds.
sampler latent(temperature = 0.7 in 0 .. 10, spread = 1.0 in 0 .. 2, steps = T) {
  state z[b in B, l in L, k in Z] ~ normal()
  state guess[b in B, l in L, k in Z] = 0.0
  for i, j in T-1 .. 0 steps steps {
    here = abar_at(i / (T - 1))
    there = j >= 0 ? abar_at(j / (T - 1)) : 1.0
    ratio = here / there
    when[b in B] = i / (T - 1)
    guess, named = restore(z, when, temperature)
    mean[b,l,k] = sqrt(ratio) * (1 - there) / (1 - here) * z[b,l,k] +
        sqrt(there) * (1 - ratio) / (1 - here) * guess[b,l,k]
    z[b,l,k] = mean[b,l,k] + spread * sqrt((1 - ratio) * (1 - there) / (1 - here)) * normal()
  }
  y = decode(guess)
  log confidence[b,l] = max[v](softmax[v](y[b,l,v]))
  emit argmax[v](y[b,l,v])
}

# From the text's latents to noise: from time i, -1 for the latents themselves, to the next, j; and
# the likeliest text of each.
sampler forward(steps = T, clean = "") {
  x[b in B, l] = clean[l]
  mu, logvar = encode(x)
  state z[b,l,k] = mu[b,l,k]
  for i, j in -1 .. T-1 steps steps without last {
    ratio = abar_at(j / (T - 1)) / (i >= 0 ? abar_at(i / (T - 1)) : 1.0)
    z[b,l,k] = sqrt(ratio) * z[b,l,k] + sqrt(1 - ratio) * normal()
  }
  y = decode(z)
  log confidence[b,l] = max[v](softmax[v](y[b,l,v]))
  emit argmax[v](y[b,l,v])
}

train {
  loss main  adamw(lr = cosine(lr, step, steps), weight_decay = 0.1)
  batch B  steps updates  clip 1.0  ema average
  eval every interval  checkpoint every interval
}
