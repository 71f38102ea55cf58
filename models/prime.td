# Masked diffusion of parts of symbols: a symbol is written as J digits of base R, seven bits here,
# and each digit is hidden by itself, so that between hidden and seen a symbol passes through
# states in which half of it is known (Chao et al. 2025, "Beyond masked and unmasked: discrete
# diffusion models via partial masking"). The network still names whole symbols: those that the
# digits in sight rule out get no probability, and a digit's is the sum over the symbols with it.
#
#   tdc train models/prime.td --act bf16
#   tdc sample models/prime.td --watch --prompt 'ROMEO: ' --weights runs/prime
#
# Loss: of the M = L J digits k are hidden, k uniform in 1 .. M, and the bound of -log p(x) is
#
#   M E_k E_{|m| = k} 1/k sum_{(l, j) in m} -log p(digit j of x_l | the digits outside m),
#
# as in mask.td with digits for symbols. Each hidden digit has its own term. Where a symbol has
# one for all its hidden digits together, -log p(x_l | the digits outside m), the sum is smaller
# but bounds nothing: two digits that are always equal and else a fair coin, one bit, would get
# half a bit. It is logged beside the bound, as joint_bits.
#
# Measured, one seed, 0.8M parameters (-D L=64 -D D=128 -D H=4 -D updates=2000: 4.1M characters,
# four minutes of one core): 3.92 +- 0.01 bits a character, a bound, where symbols by their
# frequency take 4.83; joint_bits, which is none, says 3.24. Of 64 texts as the sampler stands,
# 16% of the words of three letters or more are words of the corpus. d3pm.td has 3.33 after as much.
use nn
data text { source "tiny_shakespeare"  tokens chars  split 0.9 }

dim B = 32, L = 128, V = text.vocab       # rows, characters of a row, symbols (65)
dim R = 2, J = 7                          # digits of a symbol: their base, and how many; R^J >= V
dim D = 192, H = 6, E = D / H, F = 4 * D  # width, heads, width of a head, hidden width
dim W = 5                                 # places that a symbol sees at once
const N = 4                               # layers
const lr = 2e-3, updates = 3000, average = 0.998, interval = 200
axis S = L  # positions attended to

# Digit j of symbol v, the lowest first.
op digit(v, j) -> d = int((v + 0.5) / R^j) % R

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

# Digits, R where one is hidden, to logits of the symbols.
model net(y: id<R + 1>[B,L,J]) -> logits[B,L,V] {
  param part[J,R+1,D] ~ normal(0, 1)
  param write[D,V] = 0
  e[b,l,d] = sum[j](part[j,y[b,l,j],d])
  h = rmsnorm(e)
  for i in N { h = layer(h) }
  n = rmsnorm(h)
  logits[b,l,v] = log(text.unigram[v]) + sum[d](n[b,l,d] * write[d,v])
}

# May symbol v stand where these digits are seen?
op fits(y: id<R + 1>[b,l,J]) -> ok[b,l,V] {
  ok[b, l, v in V] = all[j](y[b,l,j] == R || y[b,l,j] == digit(v, j))
}

# The bound of each row in nats a symbol, the same symbol by symbol, and what it would be with a
# symbol's digits together.
# k is spread evenly over the rows.
op bound(x: id<V>[b,l]) -> nats[b], each[b,l], joint[b] {
  u[b, l, j in J] ~ uniform()
  start ~ uniform()
  more[b] = floor((start + b / extent(b)) % 1 * (extent(l) * J))  # k - 1
  place[b,l,j] = sum[m in L, i in J](u[b,m,i] < u[b,l,j] ? 1 : 0)
  hidden[b,l,j] = place[b,l,j] <= more[b]
  y[b,l,j] = hidden[b,l,j] ? R : digit(x[b,l], j)
  z = net(y)
  ok = fits(y)
  whole[b,l] = logsumexp[v | ok[b,l,v]](z[b,l,v])
  right[b,l,j] = logsumexp[v | ok[b,l,v] && digit(v, j) == digit(x[b,l], j)](z[b,l,v])
  nats[b] = J * mean[l,j | hidden[b,l,j]](whole[b,l] - right[b,l,j])
  told[b,l] = sum[j](hidden[b,l,j] ? whole[b,l] - right[b,l,j] : 0.0)
  each[b,l] = J * extent(l) * told[b,l] / (more[b] + 1)
  joint[b] = J * sum[l](whole[b,l] - z[b,l,x[b,l]]) / (more[b] + 1)
}

loss main(x: id<V>[B,L]) {
  nats, each, joint = bound(x)
  minimize mean[b](nats[b])
}

metric bits_per_char(x: id<V>[B,L]) bound {
  nats, each, joint = bound(x)
  log joint_bits = mean[b](joint[b]) / log(2)
  report each / log(2)
}

# Uncovers the digits in `steps` turns, evenly many in each. Every place draws a symbol that its
# digits allow and shows of it those digits whose turn has come: at random where `confidence` is 0,
# the surest symbols' first where it is large.
sampler unmask(temperature = 0.7 in 0 .. 10, top_k = 0 in 0 .. V,
    confidence = 1.0 in 0 .. inf, steps = L, prompt = "") {
  state y[b, l, j in J] = prompt.given[l] ? digit(prompt[l], j) : R
  holes = J * sum[l](prompt.given[l] ? 0 : 1)
  for i in L*J .. 1 steps steps {
    z = net(y)
    ok = fits(y)
    able[b,l,v] = ok[b,l,v] ? z[b,l,v] : -inf
    rank[b,l,v] = sum[u](able[b,l,u] > able[b,l,v] ? 1 : 0)
    score = tempered(able, temperature)
    pick[b,l] = categorical[v](top_k == 0 || rank[b,l,v] < top_k ? score[b,l,v] : -inf)
    sure[b,l] = z[b,l,pick[b,l]] - logsumexp[v](able[b,l,v])
    order[b,l,j] = y[b,l,j] == R ? confidence * sure[b,l] + gumbel() : -inf
    place[b,l,j] = sum[m in L, n in J](order[b,m,n] > order[b,l,j] ? 1 : 0)
    hidden[b] = sum[l,j](y[b,l,j] == R ? 1 : 0)
    after = round(holes * (i - 1) / (L * J - 1) * (steps - 1) / steps)  # hidden then: 0 at the last
    shown[b,l,j] = y[b,l,j] == R && place[b,l,j] < hidden[b] - after
    y[b,l,j] = shown[b,l,j] ? digit(pick[b,l], j) : y[b,l,j]
  }
  log confidence[b,l] = mean[j](y[b,l,j] == R ? 0.0 : 1.0)
  can = fits(y)
  emit all[j](y[b,l,j] != R) ? argmax[v](can[b,l,v] ? 1 : 0) : V else "_"
}

# From the text to blanks: the digits of what is given of `clean` are hidden in `steps` turns,
# evenly many in each, in a random order. A symbol is seen while all of its digits are.
sampler forward(steps = L, clean = "") {
  state y[b in B, l, j in J] = clean.given[l] ? digit(clean[l], j) : R
  state order[b in B, l in L, j in J] ~ uniform()
  given = J * sum[l](clean.given[l] ? 1 : 0)
  for i in 1 .. L*J steps steps {
    place[b,l,j] = sum[m, n in J](clean.given[m] && order[b,m,n] < order[b,l,j] ? 1 : 0)
    seen = round(given * (L * J - i) / (L * J - 1) * (steps - 1) / steps)  # then: 0 at the last
    y[b,l,j] = clean.given[l] && place[b,l,j] < seen ? digit(clean[l], j) : R
  }
  log known[b,l] = mean[j](y[b,l,j] == R ? 0.0 : 1.0)
  can = fits(y)
  emit all[j](y[b,l,j] != R) ? argmax[v](can[b,l,v] ? 1 : 0) : V else "_"
}

train {
  loss main  adamw(lr = cosine(lr, step, steps), weight_decay = 0.1)
  batch B  steps updates  clip 1.0  ema average
  eval every interval  checkpoint every interval
}
