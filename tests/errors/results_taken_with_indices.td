op two(x[b]) -> p[b], q[b] { p = x; q = -x }
op f(x[b]) -> y[b] {
  p[b], q[b] = two(x)
  y = p + q
}
#! tests/errors/results_taken_with_indices.td:3:3: error[E0315]: several results are taken whole, without indices
#!     3 |   p[b], q[b] = two(x)
#!       |   ^^^^
#!    hint: p, ... = f(x)
