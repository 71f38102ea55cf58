data text { source "../models/verse.txt" }
dim B = 2, L = 8, V = text.vocab
loss main(x: id<V>[B,L]) { minimize mean[b,l](real(x[b,l])) }
train { loss main  sgd(lr = 0.1)  steps 5 }
#! tests/errors/loss_of_no_parameter.td:3:28: error[E0503]: this loss depends on no parameter: there is nothing to train
#!     3 | loss main(x: id<V>[B,L]) { minimize mean[b,l](real(x[b,l])) }
#!       |                            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
