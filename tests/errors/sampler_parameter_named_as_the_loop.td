# What a sampler counts, and what the user sets.
data text { source "../models/verse.txt" }
dim B = 2, L = 8, V = text.vocab
sampler by_name(i = 3) {
  state x[B,L] ~ uniform(V)
  for i in 0 .. 3 { x[b,l] = (x[b,l] + i) % V }
  emit x[b,l]
}
sampler by_step(step = 2) {
  state x[B,L] ~ uniform(V)
  for i in 0 .. 3 { x[b,l] = min(max(x[b,l] + i - step, 0), V - 1) }
  emit x[b,l]
}
sampler counted() {
  state x[B,L] ~ uniform(V)
  for step in 0 .. 3 { x[b,l] = (x[b,l] + step) % V }
  emit x[b,l]
}
#! tests/errors/sampler_parameter_named_as_the_loop.td:4:17: error[E0302]: 'i' is declared twice
#!     4 | sampler by_name(i = 3) {
#!       |                 ^^^^^
#!    hint: choose another name
#!    note: tests/errors/sampler_parameter_named_as_the_loop.td:6:3: here it is too
#! tests/errors/sampler_parameter_named_as_the_loop.td:9:17: error[E0302]: 'step' is declared twice
#!     9 | sampler by_step(step = 2) {
#!       |                 ^^^^^^^^
#!    hint: choose another name
#!    note: tests/errors/sampler_parameter_named_as_the_loop.td:11:3: the number of the step is called so here
#! tests/errors/sampler_parameter_named_as_the_loop.td:16:3: error[E0302]: 'step' is declared twice
#!    16 |   for step in 0 .. 3 { x[b,l] = (x[b,l] + step) % V }
#!       |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
#!    hint: choose another name
#!    note: tests/errors/sampler_parameter_named_as_the_loop.td:16:3: the number of the step is called so here
