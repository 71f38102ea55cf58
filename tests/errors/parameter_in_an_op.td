op f(x[b,d]) -> y[b,d] {
  param w[d] = 1
  y[b,d] = x[b,d] * w[d]
}
#! tests/errors/parameter_in_an_op.td:2:3: error[E0404]: 'param' belongs to a block, a model or the file
#!     2 |   param w[d] = 1
#!       |   ^^^^^^^^^^^^^^
#!    hint: declare it as a block: block f(...)
