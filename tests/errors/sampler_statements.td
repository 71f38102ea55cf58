dim B = 2, L = 4
sampler s() {
  state x[B,L] ~ uniform(3)
  for t in 3 .. 0 {
    log now[b,l] = x[b,l]
    state y = x
    x[b,l] = x[b,l]
    emit x[b,l]
  }
  state z = x
  emit x[b,l]
}
#! tests/errors/sampler_statements.td:5:5: error[E0404]: 'log' belongs to a loss or a metric, outside loops, or to a sampler, after its loop
#!     5 |     log now[b,l] = x[b,l]
#!       |     ^^^^^^^^^^^^^^^^^^^^^
#! tests/errors/sampler_statements.td:6:5: error[E0404]: 'state' belongs to a sampler, before its loop
#!     6 |     state y = x
#!       |     ^^^^^^^^^^^
#! tests/errors/sampler_statements.td:8:5: error[E0404]: 'emit' ends a sampler, after its loop
#!     8 |     emit x[b,l]
#!       |     ^^^^^^^^^^^
#! tests/errors/sampler_statements.td:10:3: error[E0404]: 'state' belongs to a sampler, before its loop
#!    10 |   state z = x
#!       |   ^^^^^^^^^^^
