dim B = 2, D = 3, F = 4
op f(x[B,D], w[D,F], g[F], m[D,D]) -> y[B,F] {
  y[b,f] = x[b,d] * w[e,f]
}
op single(x[B,D]) -> y[B], z[B] {
  y[b] = x[b,d]
  z[b] = -2 * x[b,d] / 3
}
op meant(x[B,D], w[D,F], g[F], m[D,D]) -> p[B], q[1], r[B], s[B], t[B] {
  p[b] = sum[d](x[b,d]) * sum[f](g[f])
  q[i in 1] = m[d,d]
  r[b] = x[b,d] * d
  s[b] = x[b,d] * w[d,f] * g[f]
  t[b] = x[b,d] * max(0, w[d,0])
}
#! tests/warnings/index_that_occurs_once.td:3:16: warning[W0905]: index 'd' occurs only here, and is summed over
#!     3 |   y[b,f] = x[b,d] * w[e,f]
#!       |                ^
#!    hint: if that is meant, say it: sum[d,e](x[b,d] * w[e,f])
#! tests/warnings/index_that_occurs_once.td:3:23: warning[W0905]: index 'e' occurs only here, and is summed over
#!     3 |   y[b,f] = x[b,d] * w[e,f]
#!       |                       ^
#!    hint: if that is meant, say it: sum[d,e](x[b,d] * w[e,f])
#! tests/warnings/index_that_occurs_once.td:6:14: warning[W0905]: index 'd' occurs only here, and is summed over
#!     6 |   y[b] = x[b,d]
#!       |              ^
#!    hint: if that is meant, say it: sum[d](x[b,d])
#! tests/warnings/index_that_occurs_once.td:7:19: warning[W0905]: index 'd' occurs only here, and is summed over
#!     7 |   z[b] = -2 * x[b,d] / 3
#!       |                   ^
#!    hint: if that is meant, say it: sum[d](-2 * x[b,d] / 3)
#! tests/warnings/index_that_occurs_once.td: 4 warnings
