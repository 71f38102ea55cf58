# temperature is named and changes nothing; steps, k and the prompt do.
dim B = 2, L = 4
sampler s(temperature = 1.0, k = 2, steps = 2, prompt: id<3>[L] = "", idle: id<3>[L] = "") {
  state x[b in B, l in L] = prompt.given[l] ? 1 : 0
  for t in 3 .. 0 steps steps {
    y[b,l] = temperature * real(x[b,l])
    x[b,l] = max(0, min(k, x[b,l]))
  }
  emit x[b,l]
}
#! tests/warnings/parameter_unread.td:3:11: warning[W0907]: nothing that sampler 's' makes depends on 'temperature'
#!     3 | sampler s(temperature = 1.0, k = 2, steps = 2, prompt: id<3>[L] = "", idle: id<3>[L] = "") {
#!       |           ^^^^^^^^^^^^^^^^^
#!    hint: use it, or leave it out: it is a flag that does nothing
#! tests/warnings/parameter_unread.td:3:71: warning[W0907]: nothing that sampler 's' makes depends on 'idle'
#!     3 | sampler s(temperature = 1.0, k = 2, steps = 2, prompt: id<3>[L] = "", idle: id<3>[L] = "") {
#!       |                                                                       ^^^^^^^^^^^^^^^^^^^
#!    hint: use it, or leave it out: it is a flag that does nothing
#! tests/warnings/parameter_unread.td: 2 warnings
