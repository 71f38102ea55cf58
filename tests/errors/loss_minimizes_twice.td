data text { source "../models/verse.txt" }
dim B = 2, L = 8, V = text.vocab
param w[V] = 0
loss main(x: id<V>[B,L]) {
  z[b,l] = w[x[b,l]]
  minimize mean[b,l](z[b,l])
  minimize max[b,l](z[b,l])
}
train { loss main  sgd(lr = 0.1)  steps 5 }
#! tests/errors/loss_minimizes_twice.td:7:3: error[E0403]: a second 'minimize'
#!     7 |   minimize max[b,l](z[b,l])
#!       |   ^^^^^^^^^^^^^^^^^^^^^^^^^
#!    hint: add the two, or log one of them: log NAME = ...
#!    note: tests/errors/loss_minimizes_twice.td:6:3: the first is here
