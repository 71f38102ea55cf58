# Masked diffusion of discrete latents, each drawn softly while training: the form of the
# autoencoder in diffusion_lm_vae.td whose latents are symbols of their own. A transformer writes
# each place of the text as one of K codes, another reads the text from the codes, and a third
# restores hidden codes. All three learn one bound together (van den Oord et al. 2017 with a prior
# that is learned beside it; Austin et al. 2021 for the prior):
#
#   -log p(x) <= E_q [-log p(x | c) + log q(c | x) - log p(c)],   q(c | x) = softmax(own(x)),
#
# where of L codes k are hidden, k uniform in 1 .. L, and the mean cross-entropy of the hidden ones
# bounds -log p(c) / L. A draw of c has no gradient; while training it is softened (Jang et al.
# 2016; Maddison et al. 2016),
#
#   c[k] = softmax[k]((log q[k] + gumbel()) / tau),   tau = max(0.5, e^(-3 step / steps)),
#
# and what reads it reads a mean of codes. What is minimised with it is no bound: soft codes can
# carry more than one of K, while what is paid is for one (with the densities of soft codes in both
# places it would be a bound, of soft ones: Maddison et al. 2016). The metric draws codes, hard
# ones, so it is one. That latents stay in use, what p(c) takes reaches the
# encoder slowly at first (Bowman et al. 2016): its gradient is scaled by step / (0.75 steps).
#
#   tdc train models/diffusion_lm_gumbel.td --act bf16
#   tdc sample models/diffusion_lm_gumbel.td --watch --weights runs/diffusion_lm_gumbel
#   tdc eval models/diffusion_lm_gumbel.td --weights runs/diffusion_lm_gumbel
#
# Measured, one seed, 1000 steps (2.0M characters, 1.6M parameters): 3.29 +- 0.01 bits a character,
# a bound, of which the text takes 0.08 from its codes; what is minimised is 3.27 there, the same
# within the error. Of 64 texts at the sampler's temperature, 46% of the words of three letters or
# more are words of the corpus.
use nn
data text { source "tiny_shakespeare"  tokens chars  split 0.9 }

dim B = 32, L = 64, V = text.vocab        # rows, characters of a row, symbols (65)
dim K = 32                                # codes that a place can have
dim D = 128, H = 4, E = D / H, F = 4 * D  # width, heads, width of a head, hidden width
const N = 4, M = 2                        # layers between codes, layers to and from them
const lr = 2e-3, updates = 2000, average = 0.998, interval = 200
axis S = L  # positions attended to

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

# Logits of the code of each place: its symbol's own, which the context may move.
model encode(x: id<V>[B,L]) -> own[B,L,K] {
  param symbol[V,D] ~ normal(0, 1)
  param code[V,K] ~ normal(0, 3)
  param write[D,K] = 0
  h[b,l,d] = symbol[x[b,l],d]
  for i in M { h = layer(h) }
  n = rmsnorm(h)
  own[b,l,k] = code[x[b,l],k] + sum[d](n[b,l,d] * write[d,k])
}

# Shares of codes to logits of symbols.
model decode(c[B,L,K]) -> logits[B,L,V] {
  param read[K,D] ~ normal(0, 1)
  param write[D,V] = 0
  h[b,l,d] = c[b,l,k] * read[k,d]
  for i in M { h = layer(h) }
  n = rmsnorm(h)
  logits[b,l,v] = log(text.unigram[v]) + sum[d](n[b,l,d] * write[d,v])
}

# Shares of codes, none where one is hidden, to logits of what stands there.
model restore(c[B,L,K]) -> logits[B,L,K] {
  param read[K,D], hole[D] ~ normal(0, 1)
  param write[D,K] = 0
  h[b,l,d] = sum[k](c[b,l,k] * read[k,d]) + (1 - sum[k](c[b,l,k])) * hole[d]
  for i in N { h = layer(h) }
  n = rmsnorm(h)
  logits[b,l,k] = n[b,l,d] * write[d,k]
}

# x, and `by` of the gradient.
op slowed(x[...], by) -> y[...] = x[...] grad(dy) { dx[...] = by * dy[...] } nocheck

# In nats a symbol, of each row: the text from its codes c, and what p(c) takes more than q(c | x).
# k, of hidden codes, is spread evenly over the rows.
op terms(x: id<V>[b,l], own[b,l,K], c[b,l,K], by) -> text_nats[b], code_nats[b] {
  u[b,l] ~ uniform()
  start ~ uniform()
  more[b] = floor((start + b / extent(b)) % 1 * extent(l))  # k - 1
  place[b,l] = sum[m](u[b,m] < u[b,l] ? 1 : 0)              # in a random order of the positions
  text_nats[b] = mean[l](cross_entropy(decode(c), x)[b,l])
  late = slowed(c, by)
  seen[b,l,k] = place[b,l] <= more[b] ? 0.0 : late[b,l,k]
  z = restore(seen)
  nats[b,l] = logsumexp[k](z[b,l,k]) - sum[k](late[b,l,k] * z[b,l,k])
  s = slowed(own, by)
  logq[b,l,k] = s[b,l,k] - logsumexp[j in K](s[b,l,j])
  sure[b,l] = sum[k](exp(logq[b,l,k]) * logq[b,l,k])
  code_nats[b] = mean[l](sure[b,l]) + mean[l | place[b,l] <= more[b]](nats[b,l])
}

loss main(x: id<V>[B,L]) {
  own = encode(x)
  tau = max(0.5, exp(-3 * step / steps))
  c[b,l,k] = softmax[k]((own[b,l,k] + gumbel()) / tau)
  text_nats, code_nats = terms(x, own, c, min(1, step / (0.75 * steps)))
  log text_nats = mean[b](text_nats[b])
  log code_nats = mean[b](code_nats[b])
  minimize mean[b](text_nats[b] + code_nats[b])
}

# Whole windows count: the code of one place may tell, and pay for, the text of another.
metric bits_per_char(x: id<V>[B,L]) bound {
  own = encode(x)
  drawn[b,l] = categorical[k](own[b,l,k])
  text_nats, code_nats = terms(x, own, onehot(drawn), 1)
  log text_bits = mean[b](text_nats[b]) / log(2)
  log code_bits = mean[b](code_nats[b]) / log(2)
  report mean[b](text_nats[b] + code_nats[b]) / log(2)
}

# Uncovers the codes in `steps` turns, evenly many in each: random order at a confidence of 0, the
# surest first at large ones. Then the likeliest symbols.
sampler codes(temperature = 0.7 in 0 .. 10, confidence = 1.0 in 0 .. inf, steps = L) {
  state c[b in B, l in L] = K
  for i in L .. 1 steps steps {
    seen[b, l, k in K] = c[b,l] == k ? 1.0 : 0.0
    z = restore(seen)
    score = tempered(z, temperature)
    pick[b,l] = categorical[k](score[b,l,k])
    sure[b,l] = z[b,l,pick[b,l]] - logsumexp[k](z[b,l,k])
    order[b,l] = c[b,l] == K ? confidence * sure[b,l] + gumbel() : -inf
    place[b,l] = sum[m](order[b,m] > order[b,l] ? 1 : 0)
    hidden[b] = sum[l](c[b,l] == K ? 1 : 0)
    after = round(L * (i - 1) / (L - 1) * (steps - 1) / steps)  # hidden then: 0 at the last
    c[b,l] = c[b,l] == K && place[b,l] < hidden[b] - after ? pick[b,l] : c[b,l]
  }
  all[b, l, k in K] = c[b,l] == k ? 1.0 : 0.0
  y = decode(all)
  emit c[b,l] == K ? V : argmax[v](y[b,l,v]) else "_"
}

train {
  loss main  adamw(lr = cosine(lr, step, steps), weight_decay = 0.1)
  batch B  steps updates  clip 1.0  ema average
  eval every interval  checkpoint every interval
}
