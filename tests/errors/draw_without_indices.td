op noisy(x[b,l]) -> y[b,l] {
  y = x + normal()
}
#! tests/errors/draw_without_indices.td:2:11: error[E0220]: a draw in a whole-tensor expression has no indices to differ by: all elements would get one number
#!     2 |   y = x + normal()
#!       |           ^^^^^^^^
#!    hint: write the statement with indices (y[b,l] = x[b,l] + normal()), or draw into a name first (e[b,l] ~ normal())
