dim B = 2, L = 4
sampler a() {
  state x[B,L] ~ uniform(3)
  for t in 9 .. 0 steps 10 without last { x[b,l] = x[b,l] }
  emit x[b,l]
}
sampler b(n = 9) {
  state x[B,L] ~ uniform(3)
  for t in 9 .. 0 steps n without ends { x[b,l] = x[b,l] }
  emit x[b,l]
}
sampler c() {
  state x[B,L] ~ uniform(3)
  for t in 4 .. 4 steps 1 without first { x[b,l] = x[b,l] }
  emit x[b,l]
}
sampler d() {
  state x[B,L] ~ uniform(3)
  for t in 0 .. 1 steps 1 without ends { x[b,l] = x[b,l] }
  emit x[b,l]
}
sampler e() {
  state x[B,L] ~ uniform(3)
  for t in 0 .. 9 steps 2.5 { x[b,l] = x[b,l] }
  emit x[b,l]
}
sampler f() {
  state x[B,L] ~ uniform(3)
  for t in 9 : 0 { x[b,l] = x[b,l] }
  emit x[b,l]
}
#! tests/errors/steps_too_many_without.td:4:25: error[E0405]: 'steps' must be a whole number in 1 .. 9, the values of the loop without its last
#!     4 |   for t in 9 .. 0 steps 10 without last { x[b,l] = x[b,l] }
#!       |                         ^^
#! tests/errors/steps_too_many_without.td:9:25: error[E0405]: 'steps' must be a whole number in 1 .. 8, the values of the loop without its ends
#!     9 |   for t in 9 .. 0 steps n without ends { x[b,l] = x[b,l] }
#!       |                         ^
#! tests/errors/steps_too_many_without.td:14:25: error[E0405]: nothing is left of the loop's range without its first
#!    14 |   for t in 4 .. 4 steps 1 without first { x[b,l] = x[b,l] }
#!       |                         ^
#! tests/errors/steps_too_many_without.td:19:25: error[E0405]: nothing is left of the loop's range without its ends
#!    19 |   for t in 0 .. 1 steps 1 without ends { x[b,l] = x[b,l] }
#!       |                         ^
#! tests/errors/steps_too_many_without.td:24:25: error[E0405]: 'steps' must be a whole number in 1 .. 10, the values of the loop
#!    24 |   for t in 0 .. 9 steps 2.5 { x[b,l] = x[b,l] }
#!       |                         ^^^
#! tests/errors/steps_too_many_without.td:29:12: error[E0208]: the loop over 't' is empty
#!    29 |   for t in 9 : 0 { x[b,l] = x[b,l] }
#!       |            ^
#!    hint: downwards, with both ends: 9 .. 0
