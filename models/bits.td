# Analog bits: a symbol is J binary digits, each a real number, -1 or 1, and these are noised and
# restored like pixels (Chen et al. 2022). The network says the clean bits, mean squared error,
# and sees its own earlier estimate (self-conditioning, from the same paper).
#
#   tdc train models/bits.td --act bf16
#   tdc sample models/bits.td --watch --prompt 'ROMEO: ' --weights runs/bits
#   tdc eval models/bits.td --weights runs/bits          the bound and its three terms
#
# What a noisy bit says by itself is not learned: its log-odds are those of its frequency and
# 2 signal / sigma^2 x_t, and the network's part is added to them,
#
#   x_0 = tanh(odds / 2),  the mean of -1 and 1.
#
# Measured, one seed, 0.8M parameters (-D L=64 -D D=128 -D H=4 -D updates=2000: 4.1M characters,
# some minutes of one core): 3.47 +- 0.02 bits a character, a bound, where symbols by their
# frequency take 4.83.
use nn
data text { source "tiny_shakespeare"  tokens chars  split 0.9 }

dim B = 32, L = 128, V = text.vocab          # rows, characters of a row, symbols (65)
dim J = 7                                    # bits of a symbol, 2^J >= V
dim D = 192, H = 6, E = D / H, F = 4 * D     # width, heads, width of a head, hidden width
dim W = 5, P = (B + B % 2) / 2               # places seen at once, rows that see an estimate
const N = 4, T = 128                         # layers, diffusion steps
const most = 5.0, middle = 1.0, least = 0.1  # r at the first step, at half of them, at the last
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

# Bit j of symbol v, the lowest first, as -1 or 1.
op bit(v, j) -> s = int((v + 0.5) / 2^j) % 2 == 1 ? 1.0 : -1.0

# x_t, an earlier estimate of x_0 (zeros: none) and each place's t to the log-odds of the bits.
model net(x[b,l,J], guess[b,l,J], t: id<T>[b,l]) -> odds[b,l,J] {
  param read[J,D], again[J,D] ~ normal(0, 1)
  param write[D,J] = 0
  one[j] = clamp(sum[v in V](text.unigram[v] * (bit(v, j) > 0 ? 1 : 0)), 1e-4, 1 - 1e-4)
  snr[b,l] = noise.snr[t[b,l]]
  own[b,l,j] = log(one[j] / (1 - one[j])) + 2 * sqrt(snr[b,l] * (1 + snr[b,l])) * x[b,l,j]
  p[b,l,j] = tanh(own[b,l,j] / 2)
  h[b,l,d] = sum[j](p[b,l,j] * read[j,d]) + sum[j](guess[b,l,j] * again[j,d])
  c = linear(sinusoid_of(t, 64), D)
  for i in N { h = layer(h, c) }
  n = rmsnorm(h)
  odds[b,l,j] = own[b,l,j] + sum[d](n[b,l,d] * write[d,j])
}

op noised(x: id<V>[b,l], t: id<T>[b,l]) -> xt[b,l,J] {
  a[b,l] = noise.abar[t[b,l]]
  xt[b, l, j in J] = sqrt(a[b,l]) * bit(x[b,l], j) + sqrt(1 - a[b,l]) * normal()
}

# Times spread evenly over the rows: the first falls anywhere, so each is as likely.
op times(rows) -> t[rows] {
  start ~ uniform()
  t[b in rows] = int(T * ((start + b / extent(rows)) % 1))
}

# In every second row each place has a noise level of its own, as in gauss.td.
loss main(x: id<V>[B,L]) {
  one = times(B)
  own[b,l] ~ uniform(T)
  t[b,l] = b % 2 == 1 ? own[b,l] : one[b]
  xt = noised(x, t)
  part[b in P, l, j] = xt[b,l,j]
  when[b in P, l] = t[b,l]
  blank[b in P, l, j] = 0.0 * part[b,l,j]
  first = stop(net(part, blank, when))
  guess[b in B, l, j] = b < P ? tanh(first[b,l,j] / 2) : 0.0
  odds = net(xt, guess, t)
  minimize mean[b,l](sum[j]((tanh(odds[b,l,j] / 2) - bit(x[b,l], j))^2))
}

# Minus the bound of log p(x), in bits a character, and its three terms, as in gauss.td: how far
# x_T is from noise, half the fall of snr times the square error for each step, and what the bits
# take at the first time.
metric bits_per_char(x: id<V>[B,L]) bound {
  one = times(B)
  t[b,l] = one[b]
  xt = noised(x, t)
  none[b,l,j] = 0.0 * xt[b,l,j]
  first = net(xt, none, t)
  guess[b,l,j] = tanh(first[b,l,j] / 2)
  odds = net(xt, guess, t)
  miss[b,l] = sum[j]((tanh(odds[b,l,j] / 2) - bit(x[b,l], j))^2)
  nats[b,l] = sum[j](softplus(-odds[b,l,j] * bit(x[b,l], j)))
  left = 1 - noise.abar[T-1]
  start = 0.5 * J * (left - 1 - log(left) + 1 - left) / log(2)
  fall[b] = noise.snr[max(one[b] - 1, 0)] - noise.snr[one[b]]
  steps[b,l] = one[b] > 0 ? T * 0.5 * fall[b] * miss[b,l] / log(2) : 0.0
  last[b,l] = one[b] == 0 ? T * nats[b,l] / log(2) : 0.0
  log start_bits = start
  log step_bits = mean[b,l](steps[b,l])
  log last_bits = mean[b,l](last[b,l])
  report start + steps + last
}

# The posterior q(x_u | x_t, x_0) at the network's x_0, from t to the next time kept, u; the text
# is the symbol nearest to the last x_0. At a temperature of 0 a bit is what it likelier is.
sampler ddpm(temperature = 0.8 in 0 .. 10, steps = T, prompt = "") {
  state x[b, l, j in J] ~ normal()
  state guess[b, l, j in J] = 0.0
  for t, u in T-1 .. 0 steps steps {
    here = noise.abar[t]
    there = u >= 0 ? noise.abar[u] : 1.0
    ratio = here / there
    known[b,l,j] = sqrt(here) * bit(prompt[l], j) + sqrt(1 - here) * normal()
    xt[b,l,j] = prompt.given[l] ? known[b,l,j] : x[b,l,j]
    when[b in B, l in L] = t
    odds = net(xt, guess, when)
    sign[b,l,j] = odds[b,l,j] > 0 ? 1.0 : -1.0
    p[b,l,j] = temperature > 0 ? tanh(odds[b,l,j] / (2 * temperature)) : sign[b,l,j]
    x[b,l,j] = sqrt(ratio) * (1 - there) / (1 - here) * xt[b,l,j] +
        sqrt(there) * (1 - ratio) / (1 - here) * p[b,l,j] +
        sqrt((1 - ratio) * (1 - there) / (1 - here)) * normal()
    guess[b,l,j] = prompt.given[l] ? bit(prompt[l], j) : p[b,l,j]
  }
  near[b, l, v in V] = sum[j](guess[b,l,j] * bit(v, j))
  log confidence[b,l] = clamp(max[v](near[b,l,v]) / J, 0, 1)
  emit argmax[v](near[b,l,v])
}

# From the text to noise, as the loss makes it: from time s, -1 for the text itself, to the next, t.
# The symbol nearest to each place is shown, and how sure of it one is who knows no other place.
sampler forward(steps = T, clean = "") {
  state x[b in B, l, j in J] = bit(clean[l], j)
  state sure[b in B, l in L] = 1.0
  for s, t in -1 .. T-1 steps steps without last {
    ratio = noise.abar[t] / (s >= 0 ? noise.abar[s] : 1.0)
    x[b,l,j] = sqrt(ratio) * x[b,l,j] + sqrt(1 - ratio) * normal()
    scale = sqrt(noise.snr[t] * (1 + noise.snr[t]))
    p[b, l, v in V] = softmax[v](scale * sum[j](x[b,l,j] * bit(v, j)))
    sure[b,l] = max[v](p[b,l,v])
  }
  near[b, l, v in V] = sum[j](x[b,l,j] * bit(v, j))
  log confidence[b,l] = sure[b,l]
  emit argmax[v](near[b,l,v])
}

train {
  loss main  adamw(lr = cosine(lr, step, steps), weight_decay = 0.1)
  batch B  steps updates  clip 1.0  ema average
  eval every interval  checkpoint every interval
}
