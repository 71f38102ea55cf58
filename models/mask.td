# Masked diffusion over characters: symbols are hidden one by one in random order, and a
# transformer that sees both sides of a gap says what stood there (Austin et al. 2021;
# Sahoo et al. 2024, MDLM; Nie et al. 2025, LLaDA).
#
#   tdc train models/mask.td --act bf16       1.80M parameters, 12.3M characters: 12 minutes of one
#                                             core with AMX, 2.78 bits a character; twice as many,
#                                             -D updates=6000, 2.62: the weights beside this file
#   tdc sample models/mask.td --watch --prompt 'ROMEO: '
#   tdc sample models/mask.td --infill 'To be ____ to be'
#   tdc noise models/mask.td --watch
#   tdc eval models/mask.td --metric left_to_right --batches 4    the exact chain rule
#   tdc sample models/mask.td --sampler long -D T=1000       as long a text as one likes
#
# Loss: of L symbols k are hidden, k uniform in 1 .. L, and the loss is the mean
# cross-entropy of the hidden ones,
#
#   E_k E_{|m| = k} 1/k sum_{l in m} -log p(x_l | the symbols outside m)  >=  -log p(x) / L,
#
# which is MDLM's bound with the number of masks known instead of drawn. The network is
# not told how noisy its input is: it can count the masks (Ou et al. 2024).
use nn
data text { source "tiny_shakespeare"  tokens chars  split 0.9 }

dim B = 32, L = 128, V = text.vocab       # rows, characters of a row, symbols (65)
dim D = 192, H = 6, E = D / H, F = 4 * D  # width, heads, width of a head, hidden width
dim W = 5                                 # places that a symbol sees at once
dim T = 4 * L, P = (L + L % 2) / 2        # symbols of a long text, and of it after one window
const N = 4                               # layers
const lr = 2e-3, updates = 3000, average = 0.998
axis S = L  # positions attended to

# Attention that knows distances only (rotary positions), after a sum over W neighbours.
block layer(x[b,l,d]) -> y[b,l,d] {
  param wq[D,H,E], wk[D,H,E], wv[D,H,E], w1[D,F] ~ normal(0, 1 / sqrt(D))
  param wo[H,E,D], w2[F,D], near[W,D] = 0
  u = rmsnorm(x)
  n[b,l,d] = u[b,l,d] + sum[w](u[b, l+w-W/2 else 0, d] * near[w,d])
  q[b,l,h,e] = n[b,l,d] * wq[d,h,e]
  k[b,s,h,e] = n[b,s,d] * wk[d,h,e]
  v[b,s,h,e] = n[b,s,d] * wv[d,h,e]
  a = attention(rope(rmsnorm(q)), rope(rmsnorm(k)), v)
  g[b,l,d] = x[b,l,d] + sum[h,e](a[b,l,h,e] * wo[h,e,d])
  r = rmsnorm(g)
  f[b,l,j] = relu2(sum[d](r[b,l,d] * w1[d,j]))
  y[b,l,d] = g[b,l,d] + sum[j](f[b,l,j] * w2[j,d])
}

# Symbols, V where one is hidden, to logits of what stands there.
model net(x: id<V + 1>[B,L]) -> logits[B,L,V] {
  param symbol[V+1,D] ~ normal(0, 1)
  e[b,l,d] = symbol[x[b,l],d]
  h = rmsnorm(e)
  for i in N { h = layer(h) }
  logits = linear(rmsnorm(h), V)
}

# The bound of each row, in nats a symbol. k is spread evenly over the rows: the first
# of them falls anywhere, so every k is as likely, and the mean is less noisy. `each` is the
# same symbol by symbol, in its mean over a row.
op bound(x: id<V>[b,l]) -> nats[b], each[b,l] {
  u[b,l] ~ uniform()
  start ~ uniform()
  more[b] = floor((start + b / extent(b)) % 1 * extent(l))  # k - 1
  place[b,l] = sum[m](u[b,m] < u[b,l] ? 1 : 0)              # in a random order of the positions
  hidden[b,l] = place[b,l] <= more[b]
  z[b,l] = hidden[b,l] ? V : x[b,l]
  c = cross_entropy(net(z), x)
  nats[b] = mean[l | hidden[b,l]](c[b,l])
  each[b,l] = hidden[b,l] ? c[b,l] * extent(l) / (more[b] + 1) : 0
}

loss main(x: id<V>[B,L]) {
  nats, each = bound(x)
  minimize mean[b](nats[b])
}

metric bits_per_char(x: id<V>[B,L]) bound {
  nats, each = bound(x)
  report each / log(2)
}

# Nats of each symbol when one place after the other is uncovered, L evaluations: the exact
# chain rule, in the order of what is larger first, of `left` for the left, `random`, and
# `sure` for places where the most likely symbol is likeliest.
op chain(x: id<V>[b,l], left, random, sure) -> nats[b,l] {
  u[b,l] ~ uniform()
  seen[b,l] = 0 * x[b,l]
  nats[b,l] = 0.0 * u[b,l]
  for i in L {
    z[b,l] = seen[b,l] > 0 ? x[b,l] : V
    s = net(z)
    c = cross_entropy(s, x)
    best[b,l] = max[v](s[b,l,v]) - logsumexp[v](s[b,l,v])
    order[b,l] = seen[b,l] > 0 ? -inf : random * u[b,l] + sure * best[b,l] - left * l
    next[b] = argmax[l](order[b,l])
    nats[b,l] = l == next[b] ? c[b,l] : nats[b,l]
    seen[b,l] = l == next[b] ? 1 : seen[b,l]
  }
}

metric left_to_right(x: id<V>[B,L]) exact asked { report chain(x, 1, 0, 0) / log(2) }
metric random_order(x: id<V>[B,L]) exact asked { report chain(x, 0, 1, 0) / log(2) }
metric surest_first(x: id<V>[B,L]) exact asked { report chain(x, 0, 0, 1) / log(2) }

# Uncovers the text in `steps` turns, evenly many symbols in each. Every hidden place draws a
# symbol; which places keep theirs is a Gumbel draw: sure places come first, as far as `confidence`
# goes, and likely draws, as far as `likely` goes (LLaDA). At 0 and 0 the order is random (with
# temperature 1 and L steps this is the process that the bound is of). `likely` lets likely symbols
# alone come to stand, which costs variety; the first looks at the place and leaves its draw alone.
sampler unmask(temperature = 0.7 in 0 .. 10, top_k = 0 in 0 .. V,
    confidence = 10.0 in 0 .. inf, likely = 0.0 in 0 .. inf, steps = L, prompt = "") {
  state x[b,l] = prompt.given[l] ? prompt[l] : V
  holes = sum[l](prompt.given[l] ? 0 : 1)
  for i in L .. 1 steps steps {
    z = net(x)
    rank[b,l,v] = sum[u](z[b,l,u] > z[b,l,v] ? 1 : 0)
    score = tempered(z, temperature)
    pick[b,l] = categorical[v](top_k == 0 || rank[b,l,v] < top_k ? score[b,l,v] : -inf)
    norm[b,l] = logsumexp[v](z[b,l,v])
    sure[b,l] = confidence * (max[v](z[b,l,v]) - norm[b,l])
    drawn[b,l] = likely * (z[b,l,pick[b,l]] - norm[b,l])
    order[b,l] = x[b,l] == V ? sure[b,l] + drawn[b,l] + gumbel() : -inf
    place[b,l] = sum[m](order[b,m] > order[b,l] ? 1 : 0)
    hidden[b] = sum[l](x[b,l] == V ? 1 : 0)
    after = round(holes * (i - 1) / (L - 1) * (steps - 1) / steps)  # hidden then: 0 at the last
    x[b,l] = x[b,l] == V && place[b,l] < hidden[b] - after ? pick[b,l] : x[b,l]
  }
  emit x[b,l] else "_"
}

# The same by `likely` alone, and what was uncovered may be hidden again (Wang et al. 2025, ReMDM):
# after each turn as many places are hidden as after unmask's, but those whose symbols were the least
# likely when they were drawn. `loyalty` is what a symbol has over the new ones: at large ones none is
# hidden again.
sampler remask(temperature = 0.7 in 0 .. 10, top_k = 0 in 0 .. V, likely = 1.0 in 0 .. inf,
    loyalty = 4.0 in 0 .. inf, steps = L, prompt = "") {
  state x[b,l] = prompt.given[l] ? prompt[l] : V
  state sure[b in B, l in L] = 0.0
  holes = sum[l](prompt.given[l] ? 0 : 1)
  for i in L .. 1 steps steps {
    z = net(x)
    rank[b,l,v] = sum[u](z[b,l,u] > z[b,l,v] ? 1 : 0)
    score = tempered(z, temperature)
    pick[b,l] = categorical[v](top_k == 0 || rank[b,l,v] < top_k ? score[b,l,v] : -inf)
    sure[b,l] = x[b,l] == V ? z[b,l,pick[b,l]] - logsumexp[v](z[b,l,v]) : sure[b,l]
    drawn[b,l] = likely * sure[b,l] + gumbel() + (x[b,l] == V ? 0 : loyalty)
    order[b,l] = prompt.given[l] ? inf : drawn[b,l]
    place[b,l] = sum[m](order[b,m] > order[b,l] ? 1 : 0)
    after = round(holes * (i - 1) / (L - 1) * (steps - 1) / steps)  # hidden then: 0 at the last
    now[b,l] = x[b,l] == V ? pick[b,l] : x[b,l]
    x[b,l] = place[b,l] < L - after ? now[b,l] : V
  }
  emit x[b,l] else "_"
}

# From the text to blanks: what is given of `clean` is hidden in `steps` turns, evenly many symbols
# in each, in a random order.
sampler forward(steps = L, clean = "") {
  state x[b in B, l] = clean.given[l] ? clean[l] : V
  state order[b in B, l in L] ~ uniform()
  given = sum[l](clean.given[l] ? 1 : 0)
  for i in 1 .. L steps steps {
    place[b,l] = sum[m](clean.given[m] && order[b,m] < order[b,l] ? 1 : 0)
    seen = round(given * (L - i) / (L - 1) * (steps - 1) / steps)  # of them, then: 0 at the last
    x[b,l] = clean.given[l] && place[b,l] < seen ? clean[l] : V
  }
  emit x[b,l] else "_"
}

# Text longer than a window: the first L symbols as unmask uncovers them, then P at a time, beside
# the L - P before them, which stand still. As many symbols as are before t are due by turn t.
sampler long(temperature = 0.7 in 0 .. 10, top_k = 0 in 0 .. V, confidence = 10.0 in 0 .. inf,
    likely = 0.0 in 0 .. inf, steps = T in int((T - 1) / P)+2 .. T, prompt: id<V>[T] = "") {
  state x[b in B, t in T] = prompt.given[t] ? prompt[t] : V
  for i, j in 0 .. T-1 steps steps {
    first = i < L ? 0 : i - (i - L) % P   # of those that are uncovered now,
    many = i < L ? L : min(P, T - first)  # so many
    holes = sum[t](t >= first && t < first + many && !prompt.given[t] ? 1 : 0)
    start = max(0, min(first + many - L, T - L))  # of the window
    seen[b,l] = x[b,start+l]
    z = net(seen)
    rank[b,l,v] = sum[u](z[b,l,u] > z[b,l,v] ? 1 : 0)
    score = tempered(z, temperature)
    pick[b,l] = categorical[v](top_k == 0 || rank[b,l,v] < top_k ? score[b,l,v] : -inf)
    norm[b,l] = logsumexp[v](z[b,l,v])
    sure[b,l] = confidence * (max[v](z[b,l,v]) - norm[b,l])
    drawn[b,l] = likely * (z[b,l,pick[b,l]] - norm[b,l])
    order[b,l] = seen[b,l] == V ? sure[b,l] + drawn[b,l] + gumbel() : -inf
    place[b,l] = sum[m](order[b,m] > order[b,l] ? 1 : 0)
    hidden[b] = sum[l](seen[b,l] == V ? 1 : 0)
    after = round(holes * max(0, first + many - j) / many)  # hidden then: 0 at the last of them
    now[b,l] = seen[b,l] == V && place[b,l] < hidden[b] - after ? pick[b,l] : seen[b,l]
    x[b,t] = t >= start && t < start + L ? now[b,t-start] : x[b,t]
  }
  emit x[b,t] else "_"
}

train {
  loss main  adamw(lr = cosine(lr, step, steps), weight_decay = 0.1)
  batch B  steps updates  clip 1.0  ema average
  eval every 200  checkpoint every 200
}
