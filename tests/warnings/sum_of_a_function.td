use nn
dim B = 2, L = 3, D = 4, F = 5
op f(x[B,L,D], w[D,F], g[F], m[D,F]) -> h[B,L,F], k[B,L,F], s[B] {
  h[b,l,f] = gelu(x[b,l,d] * w[d,f])
  k[b,l,f] = -g[f] * tanh(2 * x[b,l,d] * w[d,f] / 3 + g[f])
  s[b] = exp(max(x[b,0,d] * w[d,f], 0) * m[d,f])
}
op meant(x[B,D], w[D,F], g[F], m[D,F]) -> p[B,F], q[B,F], r[B], s[B,F], t[B,F], u[B,F] {
  p[b,f] = sum[d](gelu(x[b,d] * w[d,f]))
  q[b,f] = gelu(sum[d](x[b,d] * w[d,f]))
  r[b] = sqrt(x[b,d] * w[d,0]) * abs(x[b,e] * w[e,1])
  s[b,f] = exp(x[b,d] * w[d,f]) * m[d,f]  # the index is outside too
  t[b,f] = x[b,d] * gelu(w[d,f])
  u[b,f] = gelu(x[b,d]) * gelu(w[d,f])
}
#! tests/warnings/sum_of_a_function.td:4:14: warning[W0909]: the values of 'gelu' are summed over 'd', not the product within it
#!     4 |   h[b,l,f] = gelu(x[b,l,d] * w[d,f])
#!       |              ^^^^^^^^^^^^^^^^^^^^^^^
#!    hint: the sum goes into 'gelu': sum[d](x[b,l,d] * w[d,f]); if its values are meant: sum[d](gelu(x[b,l,d] * w[d,f]))
#! tests/warnings/sum_of_a_function.td:5:22: warning[W0909]: the values of 'tanh' are summed over 'd', not the product within it
#!     5 |   k[b,l,f] = -g[f] * tanh(2 * x[b,l,d] * w[d,f] / 3 + g[f])
#!       |                      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
#!    hint: the sum goes into 'tanh': sum[d](2 * x[b,l,d] * w[d,f] / 3); if its values are meant: sum[d](-g[f] * tanh(2 * x[b,l,d] * w[d,f] / 3 + g[f]))
#! tests/warnings/sum_of_a_function.td:6:10: warning[W0909]: the values of 'exp' are summed over 'd', not the product within it
#!     6 |   s[b] = exp(max(x[b,0,d] * w[d,f], 0) * m[d,f])
#!       |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
#!    hint: the sum goes into 'exp': sum[d](x[b,0,d] * w[d,f]); if its values are meant: sum[d,f](exp(max(x[b,0,d] * w[d,f], 0) * m[d,f]))
#! tests/warnings/sum_of_a_function.td: 3 warnings
