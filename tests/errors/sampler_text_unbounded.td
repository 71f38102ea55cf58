dim B = 2, L = 4
sampler s(prompt = "") {
  state x[B,L] ~ uniform(3)
  emit x[b,l]
}
#! tests/errors/sampler_text_unbounded.td:2:11: error[E0418]: nothing says how long the text 'prompt' may be, or of which symbols
#!     2 | sampler s(prompt = "") {
#!       |           ^^^^^^^^^^^
#!    hint: prompt: id<V>[L] = ""
