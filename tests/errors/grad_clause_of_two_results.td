op two(x[b]) -> p[b], q[b] { p = x; q = -x } grad(dp, dq) { dx[b] = dp[b] - dq[b] }
op f(x[b]) -> y[b] {
  p, q = two(x)
  y = p + q
}
#! tests/errors/grad_clause_of_two_results.td:1:46: error[E0504]: a grad clause belongs to an op with one result and names one cotangent: grad(dy) { dx[...] = ... }
#!     1 | op two(x[b]) -> p[b], q[b] { p = x; q = -x } grad(dp, dq) { dx[b] = dp[b] - dq[b] }
#!       |                                              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
