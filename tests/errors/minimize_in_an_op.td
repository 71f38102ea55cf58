data text { source "../models/verse.txt" }
dim B = 2, L = 8, V = text.vocab
param w[V] = 0
op f(x[b,l]) -> y[b,l] { minimize mean[b,l](x[b,l]); y = 2 * x }
loss main(x: id<V>[B,L]) {
  param bias[V] = 0
  for i in 3 { log part = mean[b,l](w[x[b,l]]) }
  z[b,l] = w[x[b,l]]
  report mean[b,l](f(z)[b,l])
  minimize mean[b,l](f(z)[b,l])
}
train { loss main  sgd(lr = 0.1)  steps 5 }
#! tests/errors/minimize_in_an_op.td:4:26: error[E0404]: 'minimize' belongs to a loss, outside its loops
#!     4 | op f(x[b,l]) -> y[b,l] { minimize mean[b,l](x[b,l]); y = 2 * x }
#!       |                          ^^^^^^^^^^^^^^^^^^^^^^^^^^
#! tests/errors/minimize_in_an_op.td:6:3: error[E0404]: 'param' belongs to a block, a model or the file
#!     6 |   param bias[V] = 0
#!       |   ^^^^^^^^^^^^^^^^^
#!    hint: declare it outside, param ... at the top level, or in the model
#! tests/errors/minimize_in_an_op.td:7:16: error[E0404]: 'log' belongs to a loss or a metric, outside loops, or to a sampler, after its loop
#!     7 |   for i in 3 { log part = mean[b,l](w[x[b,l]]) }
#!       |                ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
#! tests/errors/minimize_in_an_op.td:9:3: error[E0404]: 'report' belongs to a metric, outside its loops
#!     9 |   report mean[b,l](f(z)[b,l])
#!       |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^
#!    hint: log NAME = ... records a number beside the loss
