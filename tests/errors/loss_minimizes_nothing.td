data text { source "../models/verse.txt" }
dim B = 2, L = 8, V = text.vocab
param w[V] = 0
loss main(x: id<V>[B,L]) { z[b,l] = w[x[b,l]] }
train { loss main  sgd(lr = 0.1)  steps 5 }
#! tests/errors/loss_minimizes_nothing.td:4:6: error[E0416]: loss 'main' minimises nothing
#!     4 | loss main(x: id<V>[B,L]) { z[b,l] = w[x[b,l]] }
#!       |      ^^^^
#!    hint: end it with  minimize mean[b,l](...)
