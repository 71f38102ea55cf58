dim B = 2, L = 4
sampler a() {
  state x[B,L] ~ uniform(3)
  for t in 9 .. 0 steps 4 without lats { x[b,l] = x[b,l] }
  emit x[b,l]
}
#! tests/errors/steps_without.td:4:35: error[E0121]: steps go without 'first', 'last' or both 'ends'
#!     4 |   for t in 9 .. 0 steps 4 without lats { x[b,l] = x[b,l] }
#!       |                                   ^^^^
#!    hint: for t, u in T-1 .. 0 steps 8 without last
