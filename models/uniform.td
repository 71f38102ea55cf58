# Discrete diffusion with uniform noise: symbols are replaced by random ones until nothing is left,
# and a transformer that sees the damaged text says what stood there (Austin et al. 2021, D3PM;
# Hoogeboom et al. 2021). Unlike masked diffusion it is not told which symbols to doubt, and may
# change one again.
#
#   tdc train models/uniform.td --act bf16
#   tdc sample models/uniform.td --watch --prompt 'ROMEO: ' --weights runs/uniform
#
# With kept the share of symbols that survive to time t, q(x_t | x_0) is like(x_t, x_0, kept) =
# kept [x_t = x_0] + (1 - kept) / V. The network says what its neighbours say of a place, p(x_0),
# and Bayes' rule what the place says itself:
#
#   p(x_s | x_t) ~ like(x_t, x_s, kept_t / kept_s) sum_v p(x_0 = v) like(x_s, v, kept_s),  s < t
#
# It begins with the symbols' frequencies, and so as the best that knows no context.
# Loss: the bound of log p(x), KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t)) at one time a row.
#
# Measured, one seed, 0.8M parameters (-D L=64 -D D=128 -D H=4 -D updates=2000: 4.1M characters,
# three minutes of one core): 3.47 +- 0.02 bits a character, a bound, where symbols by their
# frequency take 4.83; of 64 texts as the sampler stands, 25% of the words of three letters or more
# are words of the corpus.
use nn
data text { source "tiny_shakespeare"  tokens chars  split 0.9 }

dim B = 32, L = 128, V = text.vocab       # rows, characters of a row, symbols (65)
dim D = 192, H = 6, E = D / H, F = 4 * D  # width, heads, width of a head, hidden width
dim W = 5                                 # places that a symbol sees at once
const N = 4, T = 128                      # layers, diffusion steps
const lr = 2e-3, updates = 3000, average = 0.998, interval = 200
axis S = L  # positions attended to

# kept falls evenly, to 0 at the last time.
schedule noise[T] {
  kept[t] = 1 - (t + 1) / T
}

block layer(x[b,l,d], c[b,d]) -> y[b,l,d] {
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

# Damaged symbols and the time of each row to logits of the clean ones.
model net(x: id<V>[B,L], t: id<T>[B]) -> logits[B,L,V] {
  param symbol[V,D] ~ normal(0, 1)
  param write[D,V] = 0
  e[b,l,d] = symbol[x[b,l],d]
  h = rmsnorm(e)
  c = linear(sinusoid_of(t, 64), D)
  for i in N { h = layer(h, c) }
  n = rmsnorm(h)
  logits[b,l,v] = log(text.unigram[v]) + sum[d](n[b,l,d] * write[d,v])
}

# The probability of y where v stood, when a share `kept` stays.
op like(y, v, kept) -> p = kept * (y == v ? 1 : 0) + (1 - kept) / V

# The logarithm of q(x_s | x_t, x_0) but for a number, x_0 given by its probabilities p: from x_t
# back to a time s at which `there` are kept, where `here` are at t.
op before(x: id<V>[b,l], p[b,l,v], here[b], there[b]) -> score[b,l,v] {
  now[b,l,v] = like(x[b,l], v, here[b] / there[b])
  score[b,l,v] = log(now[b,l,v] * (there[b] * p[b,l,v] + (1 - there[b]) / V) + 1e-30)
}

op damaged(x: id<V>[b,l], kept[b]) -> y[b,l] {
  other[b,l] ~ uniform(V)
  y[b,l] = uniform() < kept[b] ? x[b,l] : other[b,l]
}

# The bound of each row in nats a symbol. Its time stands for all T; times are spread evenly over
# the rows, the first falls anywhere. At t = 0 the divergence is -log p(x_0 | x_1). `each` is the same
# symbol by symbol.
op bound(x: id<V>[b,l]) -> nats[b], each[b,l] {
  first ~ uniform()
  t[b] = int(T * ((first + b / extent(b)) % 1))
  here[b] = noise.kept[t[b]]
  there[b] = t[b] > 0 ? noise.kept[max(t[b] - 1, 0)] : 1.0
  y = damaged(x, here)
  z = net(y, t)
  p[b,l,v] = softmax[v](z[b,l,v])
  clean[b,l,v] = onehot(x)[b,l,v]
  want = before(y, clean, here, there)
  have = before(y, p, here, there)
  q[b,l,v] = softmax[v](want[b,l,v])
  apart[b,l] = sum[v](q[b,l,v] * (want[b,l,v] - have[b,l,v]))
  whole[b,l] = logsumexp[v](have[b,l,v]) - logsumexp[v](want[b,l,v])
  nats[b] = T * mean[l](apart[b,l] + whole[b,l])
  each[b,l] = T * (apart[b,l] + whole[b,l])
}

loss main(x: id<V>[B,L]) {
  nats, each = bound(x)
  minimize mean[b](nats[b])
}

metric bits_per_char(x: id<V>[B,L]) bound {
  nats, each = bound(x)
  report each / log(2)
}

# From random symbols back, in `steps` of the T times.
sampler posterior(temperature = 0.7 in 0 .. 10, top_k = 0 in 0 .. V, steps = T, prompt = "") {
  state x[b in B, l in L] ~ uniform(V)
  for t, u in T-1 .. 0 steps steps {
    here[b in B] = noise.kept[t]
    there[b in B] = u >= 0 ? noise.kept[u] : 1.0
    known[b,l] = uniform() < here[b] ? prompt[l] : x[b,l]
    y[b,l] = prompt.given[l] ? known[b,l] : x[b,l]
    when[b in B] = t
    z = net(y, when)
    rank[b,l,v] = sum[w](z[b,l,w] > z[b,l,v] ? 1 : 0)
    score = tempered(z, temperature)
    p[b,l,v] = softmax[v | top_k == 0 || rank[b,l,v] < top_k](score[b,l,v])
    x[b,l] = categorical[v](before(y, p, here, there)[b,l,v])
  }
  emit prompt.given[l] ? prompt[l] : x[b,l]
}

# From the text to random symbols: from time s, -1 for the text itself, to the next, t.
sampler forward(steps = T, clean = "") {
  state x[b in B, l] = clean[l]
  for s, t in -1 .. T-1 steps steps without last {
    stays[b in B] = noise.kept[t] / (s >= 0 ? noise.kept[s] : 1.0)
    x = damaged(x, stays)
  }
  emit x[b,l]
}

train {
  loss main  adamw(lr = cosine(lr, step, steps), weight_decay = 0.1)
  batch B  steps updates  clip 1.0  ema average
  eval every interval  checkpoint every interval
}
