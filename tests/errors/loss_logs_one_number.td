data text { source "../models/verse.txt" }
dim B = 2, L = 8, V = text.vocab
param w[V] = 0
loss main(x: id<V>[B,L]) {
  z[b,l] = w[x[b,l]]
  log each = z
  minimize mean[b,l](z[b,l])
}
train { loss main  sgd(lr = 0.1)  steps 5 }
#! tests/errors/loss_logs_one_number.td:6:3: error[E0402]: a loss logs single numbers; 'each' has 2 axes
#!     6 |   log each = z
#!       |   ^^^^^^^^^^^^
#!    hint: take its mean over all indices: mean[b,l](...)
