dim B = 2, L = 4, V = 5
op noisy(x[b,l], by) -> y[b,l] { y[b,l] = x[b,l] + by * normal() }
sampler s() {
  p[b,l] = 0.5 * normal()
  x[b,l] = p[b,l] > 0 ? 1 : 0
  emit x[b,l]
}
sampler t() {
  state x[B,L] ~ normal()
  z = noisy(x, 0.1)
  u ~ uniform()
  emit int(max(0, min(z[b,l] + u, 1)))
}
#! tests/errors/draw_in_a_sampler_without_loop.td:2:57: error[E0407]: a draw of a sampler belongs to a state: what is none is computed again for the text
#!     2 | op noisy(x[b,l], by) -> y[b,l] { y[b,l] = x[b,l] + by * normal() }
#!       |                                                         ^^^^^^^^
#!    hint: keep it: state z = noisy(x, 0.1)
#!    note: tests/errors/draw_in_a_sampler_without_loop.td:10:7: in this use of 'noisy'
#! tests/errors/draw_in_a_sampler_without_loop.td:4:18: error[E0407]: a draw of a sampler belongs to a state: what is none is computed again for the text
#!     4 |   p[b,l] = 0.5 * normal()
#!       |                  ^^^^^^^^
#!    hint: keep it: state p[b,l] = 0.5 * normal()
#! tests/errors/draw_in_a_sampler_without_loop.td:11:7: error[E0407]: a draw of a sampler belongs to a state: what is none is computed again for the text
#!    11 |   u ~ uniform()
#!       |       ^^^^^^^^^
#!    hint: keep it: state u ~ uniform()
