dim B = 2, D = 16, F = 64
op f(x[B,D], w[F,D]) -> y[B,F] {
  y[b,f] = x[b,d] * w[d,f]
}
#! tests/errors/transposed_factor.td:3:23: error[E0204]: index 'd' has two extents: D = 16 and F = 64
#!     3 |   y[b,f] = x[b,d] * w[d,f]
#!       |                ^      ^
#!       |                D = 16 (x, axis 2, line 2)
#!       |                       F = 64 (w, axis 1, line 2)
#!    hint: did you mean w[f, d]?
