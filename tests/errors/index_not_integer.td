op f(x[i], t[]) -> y[i] {
  y[i] = x[0.5 * i]
}
op g(x[i], w[i]) -> y[i] {
  y[i] = x[w[i]]
}
#! tests/errors/index_not_integer.td:2:12: error[E0214]: an index must be an integer
#!     2 |   y[i] = x[0.5 * i]
#!       |            ^^^^^^^
#!    hint: int(x) rounds down
#! tests/errors/index_not_integer.td:5:12: error[E0214]: an index must be an integer
#!     5 |   y[i] = x[w[i]]
#!       |            ^^^^
#!    hint: int(x) rounds down
