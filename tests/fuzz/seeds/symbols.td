use nn
data text { source "a.txt"  tokens bytes }
dim B = 2, L = 4, V = text.vocab
const line = '\n', letter = 'a', off = 0
param w[V] = 0
sampler s(n = 3) {
  state x[b in B, l in L] = ' '
  for t, u in 9 .. 0 steps n without last { x[b,l] = l == t ? letter : x[b,l] }
  emit x[b,l]
}
op f(x[b], t[v]) -> y[b] {
  h = 2 * x
  h2[b] = off == 1 ? h[b] * w[0] : t[int(clamp(h[b], 0, 1) * (extent(v) - 1))]
  y = h2
}
