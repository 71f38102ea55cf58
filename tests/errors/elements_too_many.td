dim N = 2000000
op f(x[N]) -> y[N] {
  p[i,j] = x[i] - x[j]
  y[i] = max[j](p[i,j])
}
block g(x[b]) -> y[b] {
  param w[N,N] = 0
  y[b] = x[b] * w[0,0]
}
#! tests/errors/elements_too_many.td:3:3: error[E0216]: this tensor would have more than 2^40 elements: 2000000 x 2000000
#!     3 |   p[i,j] = x[i] - x[j]
#!       |   ^^^^^^^^^^^^^^^^^^^^
#! tests/errors/elements_too_many.td:7:9: error[E0216]: parameter 'g.w' would have more than 2^36 elements
#!     7 |   param w[N,N] = 0
#!       |         ^^^^^^
