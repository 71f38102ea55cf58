use nn
dim B = 2, L = 8, D = 12, H = heads, E = D / H, F = 24
axis S = L
block layer(x[b,l,d]) -> y[b,l,d] {
  param wq[d,H,E], wk[d,H,E], wv[d,H,E], wo[H,E,d] ~ normal(0, 0.02)
  param w1[d,F], w2[d,F] ~ normal(0, 0.02)
  q[b,l,h,e] = x[b,l,d] * wq[d,h,e]
  k[b,s,h,e] = x[b,s,d] * wk[d,h,e]
  v[b,s,h,e in E] = x[b,s,d] * wv[d,h,e]
  a = attention(q, k, v)
  g[b,l,d] = x[b,l,d] + sum[h,e](a[b,l,h,e] * wo[h,e,d])
  u[b,l,f] = x[b,l,d] * w1[d,f]
  y[b,l,d] = g[b,l,d] + sum[f](u[b,l,f] * w2[f,d])
}
model net(x[B,L,D]) -> y[B,L,D] { y = layer(layer(x)) }
sampler draw() {
  state x[H,L] ~ uniform(3)
  emit x[h,l]
}
#! tests/errors/dim_wrong_is_said_once.td:2:31: error[E0301]: unknown name 'heads'
#!     2 | dim B = 2, L = 8, D = 12, H = heads, E = D / H, F = 24
#!       |                               ^^^^^
#! tests/errors/dim_wrong_is_said_once.td:13:46: error[E0204]: index 'f' has two extents: F = 24 and D = 12
#!    13 |   y[b,l,d] = g[b,l,d] + sum[f](u[b,l,f] * w2[f,d])
#!       |                                      ^       ^
#!       |                                      F = 24 (u, axis 3, line 12)
#!       |                                              D = 12 (w2, axis 1, line 6)
#!    hint: did you mean w2[d, f]?
#!    note: tests/errors/dim_wrong_is_said_once.td:15:45: in this use of 'layer'
#!    note: tests/errors/dim_wrong_is_said_once.td:15:7: in this use of 'net'
