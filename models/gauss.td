# Gaussian diffusion over one-hot characters that finds words. Beside shakespeare.td, which
# predicts noise as its article says, five things differ:
#
#   the network names the symbol: cross-entropy of x_0 (Dieleman et al. 2022, CDCD)
#   what a noisy place says by itself is not learned. With r = signal / sigma,
#     p(v | x_t) ~ unigram[v] exp(r sqrt(1 + r^2) x_t[v])
#     is Bayes' rule; it is the network's input and is added to its logits (Gulrajani and
#     Hashimoto 2023, Plaid). So at the first step the model is the best that knows no context
#   noise levels where symbols are decided, r around 1.8, and an end that is noise
#   in every second row each place has a noise level of its own: from clean neighbours beside
#     noisy ones it learns which symbol follows which (Chen et al. 2024, diffusion forcing)
#   half the rows see a first estimate of x_0, as the sampler's later steps do (Chen et al. 2022)
#
#   tdc train models/gauss.td --act bf16      1.83M parameters, 10.6M characters: 10 to 20 minutes
#                                             of one core with AMX
#   tdc sample models/gauss.td --watch --prompt 'ROMEO: ' --weights runs/gauss
#   tdc eval models/gauss.td --weights runs/gauss       the bound and its three terms
#   tdc noise models/gauss.td --watch                   a text turned to noise, as the loss does it
#
# Measured, one seed, 0.8M parameters (-D L=64 -D D=128 -D H=4 -D updates=2000: 4.1M characters,
# four minutes of one core): 4.93 bits a character before training, 3.44 +- 0.01 after, a bound; of
# 64 texts at --temperature 0.6, 23% of the words of three letters or more are words of the corpus.
use nn
data text { source "tiny_shakespeare"  tokens chars  split 0.9 }

dim B = 32, L = 128, V = text.vocab          # rows, characters of a row, symbols (65)
dim D = 192, H = 6, E = D / H, F = 4 * D     # width, heads, width of a head, hidden width
dim W = 5, P = (B + B % 2) / 2               # places seen at once, rows that see an estimate
const N = 4, T = 128                         # layers, diffusion steps
const most = 6.0, middle = 1.8, least = 0.1  # r at the first step, at half of them, at the last
const lr = 2e-3, updates = 2600, average = 0.998, interval = 200
axis S = L  # positions attended to

# r = middle tan(angle): even steps of the angle are dense around the middle.
schedule noise[T] {
  angle[t] = lerp(atan(most / middle), atan(least / middle), t / (T - 1))
  r[t] = middle * tan(angle[t])
  snr[t] = r[t]^2
  abar[t] = snr[t] / (1 + snr[t])
}

# Attention that knows distances only (rotary positions), after a sum over W neighbours; c says
# how noisy each place is.
block layer(x[b,l,d], c[b,l,d]) -> y[b,l,d] {
  param wq[D,H,E], wk[D,H,E], wv[D,H,E], w1[D,F] ~ normal(0, 1 / sqrt(D))
  param wo[H,E,D], w2[F,D], near[W,D] = 0
  u = rmsnorm(x + c)
  n[b,l,d] = u[b,l,d] + sum[w](u[b, l+w-W/2 else 0, d] * near[w,d])
  q[b,l,h,e] = n[b,l,d] * wq[d,h,e]
  k[b,s,h,e] = n[b,s,d] * wk[d,h,e]
  v[b,s,h,e] = n[b,s,d] * wv[d,h,e]
  a = attention(rope(rmsnorm(q)), rope(rmsnorm(k)), v)
  g[b,l,d] = x[b,l,d] + sum[h,e](a[b,l,h,e] * wo[h,e,d])
  m = rmsnorm(g)
  f[b,l,j] = relu2(sum[d](m[b,l,d] * w1[d,j]))
  y[b,l,d] = g[b,l,d] + sum[j](f[b,l,j] * w2[j,d])
}

# x_t, an earlier estimate of x_0 (zeros: none) and each place's t to logits of the symbols.
model net(x[b,l,V], guess[b,l,V], t: id<T>[b,l]) -> logits[b,l,V] {
  param read[V,D], again[V,D] ~ normal(0, 1)
  param write[D,V] = 0
  own[b,l,v] = x[b,l,v] * noise.r[t[b,l]] * sqrt(1 + noise.snr[t[b,l]]) + log(text.unigram[v])
  p[b,l,v] = softmax[v](own[b,l,v])
  h[b,l,d] = sum[v](p[b,l,v] * read[v,d]) + sum[v](guess[b,l,v] * again[v,d])
  c = linear(sinusoid_of(t, 64), D)
  for i in N { h = layer(h, c) }
  n = rmsnorm(h)
  logits[b,l,v] = own[b,l,v] + sum[d](n[b,l,d] * write[d,v])
}

op noised(x: id<V>[b,l], t: id<T>[b,l]) -> xt[b,l,V] {
  a[b,l] = noise.abar[t[b,l]]
  xt[b, l, v in V] = sqrt(a[b,l]) * (x[b,l] == v ? 1 : 0) + sqrt(1 - a[b,l]) * normal()
}

# Times spread evenly over the rows: the first falls anywhere, so each is as likely.
op times(rows) -> t[rows] {
  start ~ uniform()
  t[b in rows] = int(T * ((start + b / extent(rows)) % 1))
}

loss main(x: id<V>[B,L]) {
  one = times(B)
  own[b,l] ~ uniform(T)
  t[b,l] = b % 2 == 1 ? own[b,l] : one[b]
  xt = noised(x, t)
  part[b in P, l, v] = xt[b,l,v]
  when[b in P, l] = t[b,l]
  blank[b in P, l, v] = 0.0 * part[b,l,v]
  first = stop(net(part, blank, when))
  guess[b in B, l, v] = b < P ? softmax[v](first[b,l,v]) : 0.0
  minimize mean[b,l](cross_entropy(net(xt, guess, t), x)[b,l])
}

# Minus the bound of log p(x), in bits a character, and its three terms: how far x_T is from
# noise, the divergences of the steps (Ho et al. 2020, equation 5; half the fall of snr times
# the square error), the cross-entropy at the first time. Each row has a time, drawn; the steps
# are the sampler's, which sees an earlier estimate: here that of the same x_t.
op bound(x: id<V>[b,l]) -> start, steps[b,l], last[b,l] {
  one = times(extent(b))
  t[b,l] = one[b]
  xt = noised(x, t)
  none[b,l,v] = 0.0 * xt[b,l,v]
  first = net(xt, none, t)
  guess[b,l,v] = softmax[v](first[b,l,v])
  z = net(xt, guess, t)
  p[b,l,v] = softmax[v](z[b,l,v])
  c = cross_entropy(z, x)
  miss[b,l] = sum[v]((p[b,l,v] - (x[b,l] == v ? 1 : 0))^2)
  rest = 1 - noise.abar[T-1]
  start = 0.5 * (V * (rest - 1 - log(rest)) + 1 - rest) / log(2)
  fall[b] = noise.snr[max(one[b] - 1, 0)] - noise.snr[one[b]]
  steps[b,l] = one[b] > 0 ? T * 0.5 * fall[b] * miss[b,l] / log(2) : 0.0
  last[b,l] = one[b] == 0 ? T * c[b,l] / log(2) : 0.0
}

metric bits_per_char(x: id<V>[B,L]) bound {
  start, steps, last = bound(x)
  log start_bits = start
  log step_bits = mean[b,l](steps[b,l])
  log last_bits = mean[b,l](last[b,l])
  report start + steps + last
}

# The posterior q(x_u | x_t, x_0) at the network's x_0, from t to the next time kept, u.
sampler ddpm(temperature = 0.8 in 0 .. 10, top_k = 0 in 0 .. V, steps = T, prompt = "") {
  state x[b, l, v in V] ~ normal()
  state guess[b, l, v in V] = 0.0
  for t, u in T-1 .. 0 steps steps {
    here = noise.abar[t]
    there = u >= 0 ? noise.abar[u] : 1.0
    ratio = here / there
    known[b,l,v] = sqrt(here) * (prompt[l] == v ? 1 : 0) + sqrt(1 - here) * normal()
    xt[b,l,v] = prompt.given[l] ? known[b,l,v] : x[b,l,v]
    when[b in B, l in L] = t
    z = net(xt, guess, when)
    rank[b,l,v] = sum[w](z[b,l,w] > z[b,l,v] ? 1 : 0)
    score = tempered(z, temperature)
    p[b,l,v] = softmax[v | top_k == 0 || rank[b,l,v] < top_k](score[b,l,v])
    x[b,l,v] = sqrt(ratio) * (1 - there) / (1 - here) * xt[b,l,v] +
        sqrt(there) * (1 - ratio) / (1 - here) * p[b,l,v] +
        sqrt((1 - ratio) * (1 - there) / (1 - here)) * normal()
    guess[b,l,v] = prompt.given[l] ? (prompt[l] == v ? 1 : 0) : p[b,l,v]
  }
  log confidence[b,l] = max[v](guess[b,l,v])
  emit argmax[v](guess[b,l,v])
}

# From the text to noise, as the loss makes it: from time s, -1 for the text itself, to the next, t.
# The symbol nearest to each place is shown, and how sure of it one is who knows no other place.
sampler forward(steps = T, clean = "") {
  state x[b in B, l, v in V] = clean[l] == v ? 1.0 : 0.0
  state sure[b in B, l in L] = 1.0
  for s, t in -1 .. T-1 steps steps without last {
    ratio = noise.abar[t] / (s >= 0 ? noise.abar[s] : 1.0)
    x[b,l,v] = sqrt(ratio) * x[b,l,v] + sqrt(1 - ratio) * normal()
    p[b,l,v] = softmax[v](x[b,l,v] * sqrt(noise.snr[t] * (1 + noise.snr[t])))
    sure[b,l] = max[v](p[b,l,v])
  }
  log confidence[b,l] = sure[b,l]
  emit argmax[v](x[b,l,v])
}

train {
  loss main  adamw(lr = cosine(lr, step, steps), weight_decay = 0.1)
  batch B  steps updates  clip 1.0  ema average
  eval every interval  checkpoint every interval
}
