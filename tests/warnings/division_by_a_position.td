use nn
dim B = 2, L = 4, D = 3
block layer(x[b,l,c]) -> y[b,l,c] {
  param w[c,D] ~ normal(0, sqrt(1 / (3 * c)))
  param v[D,c] ~ normal(0, c ^ -0.5)
  h[b,l,d] = x[b,l,c] * w[c,d]
  y[b,l,c] = h[b,l,d] * v[d,c] / l
}
op ranges(x[B,L]) -> y[B], z[B,L], u[B,L], s[B] {
  y[b] = sum[k in 2 : 4](x[b,k] / (k - 3))
  z[b,l] = x[b,l] * (l > 0 ? 1 / l : 2) + (l == 0 ? 0 : x[b,l] / (2 * l))
  u[b,l] = x[b,l] / (l + 1) + x[b,l] / max(1, l) + x[b,l] / (2 * l - 1) + l / extent(l)
  s[b] = x[b,0] / extent(b) + sum[k in 1 : 4](x[b,k] / k) + sum[l | l >= 1](x[b,l] / l)
}
model net(x[B,L,D]) -> y[B,L,D] { y = layer(x) }
#! tests/warnings/division_by_a_position.td:4:35: warning[W0906]: this divides by 0 where the index 'c' is 0
#!     4 |   param w[c,D] ~ normal(0, sqrt(1 / (3 * c)))
#!       |                                   ^
#!    hint: 'c' is a position here, extent(c) how far it runs; where the position is meant, c != 0 ? ... : ... leaves this one out
#!    note: tests/warnings/division_by_a_position.td:15:39: in this use of 'layer'
#!    note: tests/warnings/division_by_a_position.td:15:7: in this use of 'net'
#! tests/warnings/division_by_a_position.td:5:30: warning[W0906]: this divides by 0 where the index 'c' is 0
#!     5 |   param v[D,c] ~ normal(0, c ^ -0.5)
#!       |                              ^
#!    hint: 'c' is a position here, extent(c) how far it runs; where the position is meant, c != 0 ? ... : ... leaves this one out
#!    note: tests/warnings/division_by_a_position.td:15:39: in this use of 'layer'
#!    note: tests/warnings/division_by_a_position.td:15:7: in this use of 'net'
#! tests/warnings/division_by_a_position.td:7:32: warning[W0906]: this divides by 0 where the index 'l' is 0
#!     7 |   y[b,l,c] = h[b,l,d] * v[d,c] / l
#!       |                                ^
#!    hint: 'l' is a position here, extent(l) how far it runs; where the position is meant, l != 0 ? ... : ... leaves this one out
#!    note: tests/warnings/division_by_a_position.td:15:39: in this use of 'layer'
#!    note: tests/warnings/division_by_a_position.td:15:7: in this use of 'net'
#! tests/warnings/division_by_a_position.td:10:33: warning[W0906]: this divides by 0 where the index 'k' is 3
#!    10 |   y[b] = sum[k in 2 : 4](x[b,k] / (k - 3))
#!       |                                 ^
#!    hint: 'k' is a position here, extent(k) how far it runs; where the position is meant, k != 3 ? ... : ... leaves this one out
#! tests/warnings/division_by_a_position.td: 4 warnings
