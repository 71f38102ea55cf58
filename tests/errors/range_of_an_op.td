op drop(x[...], p = 0.1 in 0 .. 1) -> y[...] = p * x[...]
#! tests/errors/range_of_an_op.td:1:28: error[E0422]: only a sampler's parameter has a range
#!     1 | op drop(x[...], p = 0.1 in 0 .. 1) -> y[...] = p * x[...]
#!       |                            ^
#!    hint: min(max(p, LO), HI) keeps a number inside
