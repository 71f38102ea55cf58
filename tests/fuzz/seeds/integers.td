# integers near what they may hold, and reads that rest on them
data text { source "t.txt" }
dim B = 2, L = 4, V = text.vocab, W = 16
const BIG = 2147483647, HUGE = 9223372036854775807
param w[W] ~ uniform(-1.0, 1.0)
op pick(x[n], k: id<n>[b]) -> y[b] = x[k[b]]
loss main(x: id<V>[B,L]) {
  q[b,l] = min(x[b,l] * 3 + 1, W - 1)
  s[b] = sum[l](x[b,l] > 20 ? 1000 : 1)
  d[b,l] = x[b,l] % 7 != 0 ? w[(x[b,l] * 31) % 16] / (x[b,l] % 7 + 1) : w[0]
  first[b] = q[b,0]
  p = pick(w, first)
  r[b] = real(s[b] % (BIG - 1)) * w[max(0, min(s[b] - 3, 15))]
  k[l] = int(2.5 * l) / 2
  minimize sum[b,l](w[q[b,l]] * d[b,l]) + sum[b](r[b]) + sum[l](real(k[l]) * w[l * 4 / 2])
}
train { loss main  sgd(lr = 0.1, momentum = 0.9)  steps 3 }
