# An autoregressive transformer over characters: each symbol from those before it (Radford
# et al. 2019; the character model of Karpathy's nanoGPT). What diffusion is measured against.
#
#   tdc train models/gpt.td --act bf16        1.81M parameters, 6.1M characters: minutes of one
#                                             core with AMX, 2.33 bits a character
#   tdc sample models/gpt.td --watch --prompt 'ROMEO: '
#
# Loss: the exact chain rule in nats, log p(x) = sum_l log p(x_l | x_1 .. x_{l-1}). Pre-norm,
# no biases in products, learned positions, one table that reads symbols and writes them,
# residual outputs begun at 0.02 / sqrt(2 N).
use nn
data text { source "tiny_shakespeare"  tokens chars  split 0.9 }

dim B = 32, L = 128, V = text.vocab       # rows, characters of a row, symbols (65)
dim D = 192, H = 6, E = D / H, F = 4 * D  # width, heads, width of a head, hidden width
const N = 4, drop = 0.0                   # layers, dropout
const lr = 1e-3, updates = 1500
axis S = L  # positions attended to

param symbol[V,D] ~ normal(0, 0.02)

# Positions at .. at + l - 1. keys and values are those of all positions: what this layer
# makes of x where it is given every position, else what it made before, and of x its own.
block layer(x[b,l,d], at, keys[b,s,h,e], values[b,s,h,e]) -> y[b,l,d], ks[b,s,h,e], vs[b,s,h,e] {
  param wq[D,H,E], wk[D,H,E], wv[D,H,E], w1[D,F] ~ normal(0, 0.02)
  param wo[H,E,D], w2[F,D] ~ normal(0, 0.02 / sqrt(2 * N))
  n = layernorm(x)
  q[b,l,h,e] = n[b,l,d] * wq[d,h,e]
  k[b,l,h,e] = n[b,l,d] * wk[d,h,e]
  v[b,l,h,e] = n[b,l,d] * wv[d,h,e]
  ks[b,s,h,e] = extent(l) == extent(s) ? k[b,s,h,e] : s == at ? k[b,0,h,e] : keys[b,s,h,e]
  vs[b,s,h,e] = extent(l) == extent(s) ? v[b,s,h,e] : s == at ? v[b,0,h,e] : values[b,s,h,e]
  score[b,h,l,s] = sum[e](q[b,l,h,e] * ks[b,s,h,e]) / sqrt(E)
  p[b,h,l,s] = softmax[s | s <= l+at](score[b,h,l,s])
  a[b,l,h,e] = p[b,h,l,s] * vs[b,s,h,e]
  g[b,l,d] = x[b,l,d] + dropout(sum[h,e](a[b,l,h,e] * wo[h,e,d]), drop)
  m = layernorm(g)
  f[b,l,j] = gelu(sum[d](m[b,l,d] * w1[d,j]))
  y[b,l,d] = g[b,l,d] + dropout(sum[j](f[b,l,j] * w2[j,d]), drop)
}

# Logits of the symbols that follow those of x, and the keys and values of every layer.
model net(x: id<V>[b,l], at, keys[N,b,S,H,E], values[N,b,S,H,E])
    -> logits[b,l,V], ks[N,b,S,H,E], vs[N,b,S,H,E] {
  param place[S,D] ~ normal(0, 0.02)
  h[b,l,d] = dropout(symbol[x[b,l],d] + place[l+at,d], drop)
  for i in N {
    ki[b,s,h,e] = keys[i,b,s,h,e]
    vi[b,s,h,e] = values[i,b,s,h,e]
    h, kn, vn = layer(h, at, ki, vi)
  } emit ks[i,b,s,h,e] = kn[b,s,h,e], vs[i,b,s,h,e] = vn[b,s,h,e]
  n = layernorm(h)
  logits[b,l,v] = n[b,l,d] * symbol[v,d]
}

# All positions at once, nothing before them.
op whole(x: id<V>[B,L]) -> z[B,L,V] {
  none[n in N, b in B, s in S, h in H, e in E] = 0.0
  z, k, v = net(x, 0, none, none)
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

# One position a turn, keys and values of those before it kept. The first symbol, where none is
# given, is drawn as frequent as it is in the text.
sampler cached(temperature = 0.8 in 0 .. 10, top_k = 0 in 0 .. V, prompt: id<V>[L] = "") {
  state x[b,l] = prompt.given[l] ? prompt[l] : l > 0 ? V : categorical[v](log(text.unigram[v]))
  state keys[n in N, b in B, s in S, h in H, e in E] = 0.0
  state values[n in N, b in B, s in S, h in H, e in E] = 0.0
  for i in 0 .. L-2 {
    now[b, one in 1] = min(x[b,i], V - 1)
    z, keys, values = net(now, i, keys, values)
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
  loss main  adamw(lr = cosine(lr, step, steps, warmup = 100), weight_decay = 0.1)
  batch B  steps updates  clip 1.0
  eval every 200  checkpoint every 200
}
