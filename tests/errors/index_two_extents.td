dim B = 2, L = 8, D = 384, F = 1536
op f(n[B,L,D], w2[F,D]) -> g[B,L,D] {
  g[b,l,d] = sum[k](n[b,l,d] * w2[d,k])
}
#! tests/errors/index_two_extents.td:3:35: error[E0204]: index 'd' has two extents: D = 384 and F = 1536
#!     3 |   g[b,l,d] = sum[k](n[b,l,d] * w2[d,k])
#!       |                           ^       ^
#!       |                           D = 384 (n, axis 3, line 2)
#!       |                                   F = 1536 (w2, axis 1, line 2)
#!    hint: did you mean w2[k, d]?
