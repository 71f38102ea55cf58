dim B = 2, L = 4
const low = 0.5
sampler one(temperature = 1.0 in 2 .. 10) {
  state x[B,L] ~ uniform(3)
  emit x[b,l]
}
sampler below(temperature = 10.0 in 0 : 10) {
  state x[B,L] ~ uniform(3)
  emit x[b,l]
}
sampler whole(k = 1 in low .. inf) {
  state x[B,L] ~ uniform(3)
  emit x[b,l]
}
sampler empty(k = 1 in 1 : 1) {
  state x[B,L] ~ uniform(3)
  emit x[b,l]
}
sampler text(prompt: id<3>[L] = "" in 0 .. 1) {
  state x[B,L] ~ uniform(3)
  emit x[b,l]
}
sampler unknown(k = 1 in 0 .. n) {
  state x[B,L] ~ uniform(3)
  emit x[b,l]
}
sampler far(k = 1e300) {
  state x[B,L] ~ uniform(3)
  emit x[b,l]
}
sampler turns(steps = 9 in 1 .. 9) {
  state x[B,L] ~ uniform(3)
  for t in 3 .. 0 steps steps { x[b,l] = x[b,l] }
  emit x[b,l]
}
#! tests/errors/sampler_ranges.td:3:27: error[E0422]: the default of 'temperature' is 1, outside of its range 2 .. 10
#!     3 | sampler one(temperature = 1.0 in 2 .. 10) {
#!       |                           ^^^
#! tests/errors/sampler_ranges.td:7:29: error[E0422]: the default of 'temperature' is 10, outside of its range 0 : 10 (below 10)
#!     7 | sampler below(temperature = 10.0 in 0 : 10) {
#!       |                             ^^^^
#! tests/errors/sampler_ranges.td:11:24: error[E0422]: 'k' is a whole number, and the end of its range is 0.5
#!    11 | sampler whole(k = 1 in low .. inf) {
#!       |                        ^^^
#!    hint: a default of 1.0 makes it a real number
#! tests/errors/sampler_ranges.td:15:24: error[E0422]: nothing lies in the range of 'k'
#!    15 | sampler empty(k = 1 in 1 : 1) {
#!       |                        ^
#! tests/errors/sampler_ranges.td:19:39: error[E0422]: 'prompt' is a text: only numbers have a range
#!    19 | sampler text(prompt: id<3>[L] = "" in 0 .. 1) {
#!       |                                       ^
#! tests/errors/sampler_ranges.td:23:31: error[E0301]: unknown name 'n'
#!    23 | sampler unknown(k = 1 in 0 .. n) {
#!       |                               ^
#! tests/errors/sampler_ranges.td:27:17: error[E0422]: the default of 'k' is 1e+300: no number that 32 bits hold
#!    27 | sampler far(k = 1e300) {
#!       |                 ^^^^^
#! tests/errors/sampler_ranges.td:33:25: error[E0405]: 'steps' must be a whole number in 1 .. 4, the values of the loop
#!    33 |   for t in 3 .. 0 steps steps { x[b,l] = x[b,l] }
#!       |                         ^^^^^
