op f(x[b]) -> y[b] {
  state h[b] = x[b]
  y = x
  emit y[b]
}
#! tests/errors/statement_of_a_sampler_elsewhere.td:2:3: error[E0404]: 'state' belongs to a sampler, before its loop
#!     2 |   state h[b] = x[b]
#!       |   ^^^^^^^^^^^^^^^^^
#!    hint: a loop carries: scan t carry h[b] = h0[b] { ... }
#! tests/errors/statement_of_a_sampler_elsewhere.td:4:3: error[E0404]: 'emit' ends a sampler, after its loop
#!     4 |   emit y[b]
#!       |   ^^^^^^^^^
#!    hint: the results of op 'f' are named in its header
