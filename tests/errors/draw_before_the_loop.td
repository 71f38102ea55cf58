dim B = 2, L = 4, V = 5
sampler s() {
  e[b,l] ~ normal()
  state x[B,L] ~ uniform(V)
  for t in 5 .. 0 { x[b,l] = e[b,l] > 0 ? x[b,l] : 0 }
  emit x[b,l]
}
#! tests/errors/draw_before_the_loop.td:3:12: error[E0407]: a draw before a sampler's loop would be drawn again at every step
#!     3 |   e[b,l] ~ normal()
#!       |            ^^^^^^^^
#!    hint: keep it: state e[b,l] ~ normal()
