op two(x[b]) -> p[b], q[b] { p = x; q = -x }
op f(x[b]) -> y[b] {
  y = two(x)
}
op g(x[b]) -> y[b] {
  p, q, r = two(x)
  y = p + q
}
op h(x[b]) -> y[b] {
  p, q = x
  y = p
}
#! tests/errors/results_count.td:3:3: error[E0315]: one name on the left, 2 results on the right
#!     3 |   y = two(x)
#!       |   ^
#!    hint: name them all: a, b = ...
#! tests/errors/results_count.td:6:3: error[E0315]: 3 names on the left, 2 results on the right
#!     6 |   p, q, r = two(x)
#!       |   ^^^^^^^^^^^^^^^^
#! tests/errors/results_count.td:10:3: error[E0315]: 2 names on the left, 1 result on the right
#!    10 |   p, q = x
#!       |   ^^^^^^^^
