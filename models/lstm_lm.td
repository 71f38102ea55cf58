# A recurrent language model over characters: two layers of long short-term memory (Hochreiter
# and Schmidhuber 1997; with the forget gate of Gers et al. 2000), each symbol from those before
# it. Like gru_lm.td with another cell, whose equations stand below.
#
#   tdc train models/lstm_lm.td
#   tdc sample models/lstm_lm.td --watch --prompt 'ROMEO: ' --weights runs/lstm_lm
#
# Loss: the exact chain rule in nats, log p(x) = sum_l log p(x_l | x_1 .. x_{l-1}).
#
# Measured, one seed, 0.7M parameters (-D L=64 -D D=64 -D K=224 -D updates=2000: 4.1M characters):
# 2.96 bits a character on part of the held-out windows, exact; gru_lm.td has 2.38 there.
use nn
data text { source "tiny_shakespeare"  tokens chars  split 0.9 }

dim B = 32, L = 128, V = text.vocab  # rows, characters of a row, symbols (65)
dim D = 128, K = 360                 # width of a symbol, of a state
const lr = 2e-3, updates = 1500, interval = 200

# A layer over time t from the state h0 and the cell s0, and those that it ends in. The gates, in
# this order: what of the input enters the cell, what of the cell stays, the input itself, what of
# the cell is shown. They begin with a cell that keeps most of itself (a bias of 1).
block recurrent(x[b,t,i], h0[b,k], s0[b,k]) -> y[b,t,k], h[b,k], s[b,k] {
  param w[4,i,k], u[4, m in k, k] ~ uniform(-1 / sqrt(extent(k)), 1 / sqrt(extent(k)))
  param c[g in 4, k] = g == 1 ? 1 : 0
  a[b,t,g,k] = sum[i](x[b,t,i] * w[g,i,k]) + c[g,k]
  h = h0
  s = s0
  scan t {
    n[b,g,k] = sum[m](h[b,m] * u[g,m,k]) + a[b,t,g,k]
    s[b,k] = sigmoid(n[b,1,k]) * s[b,k] + sigmoid(n[b,0,k]) * tanh(n[b,2,k])
    h[b,k] = sigmoid(n[b,3,k]) * tanh(s[b,k])
  } emit y[b,t,k] = h[b,k]
}

# Logits of the symbols that follow those of x, from the states before to the states after.
model net(x: id<V>[b,l], h1[b,K], s1[b,K], h2[b,K], s2[b,K])
    -> logits[b,l,V], m1[b,K], n1[b,K], m2[b,K], n2[b,K] {
  e = embedding(x, D)
  y1, m1, n1 = recurrent(e, h1, s1)
  y2, m2, n2 = recurrent(y1, h2, s2)
  logits = linear(y2, V)
}

# All positions at once, nothing before them.
op whole(x: id<V>[b,l]) -> z[b,l,V] {
  none[b, k in K] = 0.0 * real(x[b,0])
  z, m1, n1, m2, n2 = net(x, none, none, none, none)
}

# Nats of each symbol but the first.
op next_nll(x: id<V>[B,L+1]) -> nll[B,L] {
  past[b, l in L] = x[b,l]
  z = whole(past)
  nll[b,l] = logsumexp[v](z[b,l,v]) - z[b,l,x[b,l+1]]
}

loss main(x: id<V>[B,L+1]) { minimize mean[b,l](next_nll(x)[b,l]) }

metric bits_per_char(x: id<V>[B,L+1]) exact { report next_nll(x) / log(2) }

# The logits of one place, to draw its symbol from.
op chosen(z[b,v], temperature, top_k) -> s[b,v] {
  rank[b,v] = sum[u](z[b,u] > z[b,v] ? 1 : 0)
  score = tempered(z, temperature)
  s[b,v] = top_k == 0 || rank[b,v] < top_k ? score[b,v] : -inf
}

# One position a turn from states and cells, all that is kept of the past. The first symbol, where
# none is given, is drawn as frequent as it is in the text.
sampler cached(temperature = 0.8 in 0 .. 10, top_k = 0 in 0 .. V, prompt: id<V>[L] = "") {
  state x[b,l] = prompt.given[l] ? prompt[l] : l > 0 ? V : categorical[v](log(text.unigram[v]))
  state h1[b in B, k in K] = 0.0
  state s1[b in B, k in K] = 0.0
  state h2[b in B, k in K] = 0.0
  state s2[b in B, k in K] = 0.0
  for i in 0 .. L-2 {
    now[b, one in 1] = min(x[b,i], V - 1)
    z, h1, s1, h2, s2 = net(now, h1, s1, h2, s2)
    here[b,v] = z[b,0,v]
    next[b] = categorical[v](chosen(here, temperature, top_k)[b,v])
    x[b,l] = l == i + 1 && !prompt.given[l] ? next[b] : x[b,l]
  }
  emit x[b,l] else "_"
}

# The same text, every position computed anew in each turn.
sampler uncached(temperature = 0.8 in 0 .. 10, top_k = 0 in 0 .. V, prompt: id<V>[L] = "") {
  state x[b,l] = prompt.given[l] ? prompt[l] : l > 0 ? V : categorical[v](log(text.unigram[v]))
  for i in 0 .. L-2 {
    seen[b,l] = min(x[b,l], V - 1)
    z = whole(seen)
    here[b,v] = z[b,i,v]
    next[b] = categorical[v](chosen(here, temperature, top_k)[b,v])
    x[b,l] = l == i + 1 && !prompt.given[l] ? next[b] : x[b,l]
  }
  emit x[b,l] else "_"
}

train {
  loss main  adam(lr = cosine(lr, step, steps, warmup = 100))
  batch B  steps updates  clip 1.0
  eval every interval  checkpoint every interval
}
