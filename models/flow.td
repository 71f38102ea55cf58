# Flow matching over one-hot characters: text and noise are joined by straight lines, and a sampler
# follows them back without drawing anything on its way (Lipman et al. 2023; Liu et al. 2023). The
# network says where a line ends, which symbol, and that gives the direction:
#
#   x_t = (1 - t) x_0 + t e,  e ~ N(0, I),     dx/dt = e - x_0 = (x_t - x_0) / t
#
#   tdc train models/flow.td --act bf16
#   tdc sample models/flow.td --watch --prompt 'ROMEO: ' --weights runs/flow
#
# Cross-entropy of x_0 in place of the square error of the direction (Eijkelboom et al. 2024,
# variational flow matching): the mean over symbols is what the direction needs, and the best
# one is the same. What a noisy place says by itself is added in closed form, as in gauss.td,
#
#   p(v | x_t) ~ unigram[v] exp((1 - t) / t^2 x_t[v]).
#
# The bound below is of the diffusion with the same x_t (Kingma and Gao 2023): the marginals are
# those of the flow, and no likelihood of its straight paths themselves is measured here.
#
# Measured, one seed, 0.8M parameters (-D L=64 -D D=128 -D H=4 -D updates=2000: 4.1M characters,
# some minutes of one core): 3.67 bits a character on part of the held-out windows, a bound, where
# symbols by their frequency take 4.83.
use nn
data text { source "tiny_shakespeare"  tokens chars  split 0.9 }

dim B = 32, L = 128, V = text.vocab       # rows, characters of a row, symbols (65)
dim D = 192, H = 6, E = D / H, F = 4 * D  # width, heads, width of a head, hidden width
dim W = 5                                 # places that a symbol sees at once
const N = 4, G = 256                      # layers, turns of the sampler at most
const near = 0.14, far = 0.98             # where times begin and end: symbols are plain before
const lr = 2e-3, updates = 2600, average = 0.998, interval = 200
axis S = L  # positions attended to

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

# x_t and each place's t, a number, to logits of the symbols.
model net(x[B,L,V], t[B,L]) -> logits[B,L,V] {
  param read[V,D] ~ normal(0, 1)
  param write[D,V] = 0
  own[b,l,v] = x[b,l,v] * (1 - t[b,l]) / t[b,l]^2 + log(text.unigram[v])
  p[b,l,v] = softmax[v](own[b,l,v])
  h[b,l,d] = p[b,l,v] * read[v,d]
  late[b,l] = 1000 * t[b,l]
  c = linear(sinusoid_of(late, 64), D)
  for i in N { h = layer(h, c) }
  n = rmsnorm(h)
  logits[b,l,v] = own[b,l,v] + sum[d](n[b,l,d] * write[d,v])
}

op between(x: id<V>[b,l], t[b,l]) -> xt[b,l,V] {
  xt[b, l, v in V] = (1 - t[b,l]) * (x[b,l] == v ? 1 : 0) + t[b,l] * normal()
}

# Times spread evenly over the rows: the first falls anywhere, so each is as likely.
op times(rows) -> t[rows] {
  start ~ uniform()
  t[b in rows] = lerp(near, far, (start + b / extent(rows)) % 1)
}

# In every second row each place has a time of its own, as in gauss.td.
loss main(x: id<V>[B,L]) {
  one = times(B)
  own[b,l] ~ uniform(near, far)
  t[b,l] = b % 2 == 1 ? own[b,l] : one[b]
  minimize mean[b,l](cross_entropy(net(between(x, t), t), x)[b,l])
}

# Minus the bound of log p(x) in bits a character, with as many steps as one likes: the square
# error of x_0 times half the fall of snr = ((1 - t) / t)^2, whose slope is -2 (1 - t) / t^3; what
# is left to say at the nearest time; how far the last one is from noise, each coordinate
# N((1 - t) x_0, t^2) where the sampler starts at N(0, 1).
metric bits_per_char(x: id<V>[B,L]) bound {
  one = times(B)
  t[b,l] = one[b]
  z = net(between(x, t), t)
  p[b,l,v] = softmax[v](z[b,l,v])
  miss[b,l] = sum[v]((p[b,l,v] - onehot(x)[b,l,v])^2)
  steps[b,l] = (far - near) * (1 - one[b]) / one[b]^3 * miss[b,l] / log(2)
  first[b in B, l in L] = near
  c = cross_entropy(net(between(x, first), first), x)
  start = 0.5 * (V * (far^2 - 1 - 2 * log(far)) + (1 - far)^2) / log(2)
  log start_bits = start
  log step_bits = mean[b,l](steps[b,l])
  log last_bits = mean[b,l](c[b,l]) / log(2)
  report start + steps + c / log(2)
}

# Along the lines from noise in `steps` turns (Euler's method), the last of them to the text itself.
sampler euler(temperature = 0.8 in 0 .. 10, top_k = 0 in 0 .. V,
    steps = G / 4, prompt = "") {
  state x[b, l, v in V] ~ normal()
  state p[b, l, v in V] = text.unigram[v]
  state e[b, l, v in V] ~ normal()
  for i, j in G-1 .. 0 steps steps {
    t = lerp(near, far, i / (G - 1))
    s = j >= 0 ? lerp(near, far, j / (G - 1)) : 0.0
    xt[b,l,v] = prompt.given[l] ? (1 - t) * (prompt[l] == v ? 1 : 0) + t * e[b,l,v] : x[b,l,v]
    when[b in B, l in L] = t
    z = net(xt, when)
    rank[b,l,v] = sum[w](z[b,l,w] > z[b,l,v] ? 1 : 0)
    score = tempered(z, temperature)
    p[b,l,v] = softmax[v | top_k == 0 || rank[b,l,v] < top_k](score[b,l,v])
    x[b,l,v] = xt[b,l,v] + (s - t) * (xt[b,l,v] - p[b,l,v]) / t
  }
  log confidence[b,l] = max[v](p[b,l,v])
  emit prompt.given[l] ? prompt[l] : argmax[v](p[b,l,v])
}

# From the text to noise along the lines, from the text itself to the time of j.
sampler forward(steps = G / 4, clean = "") {
  state x[b in B, l, v in V] = clean[l] == v ? 1.0 : 0.0
  state e[b in B, l in L, v in V] ~ normal()
  state sure[b in B, l in L] = 1.0
  for i, j in -1 .. G-1 steps steps without last {
    t = lerp(near, far, j / (G - 1))
    x[b,l,v] = (1 - t) * (clean[l] == v ? 1 : 0) + t * e[b,l,v]
    p[b,l,v] = softmax[v](x[b,l,v] * (1 - t) / t^2)
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
