op f(x[b]) -> y[b] = x.shape
#! tests/errors/member_of_nothing.td:1:24: error[E0303]: only data, schedules and a sampler's text parameters have members, 'x' has no '.shape'
#!     1 | op f(x[b]) -> y[b] = x.shape
#!       |                        ^^^^^
#!    hint: how far an index or a dim runs: k = extent(M)
