use nn
data text { source "../models/verse.txt" }
dim B = 2, L = 8, V = text.vocab
model net(x: id<V>[B,L]) -> y[B,L,V] { y = embedding(x, V) }
loss main(x: id<V>[B,L]) { minimize mean[b,l](cross_entropy(net(x), x)[b,l]) }
train { loss main  adam(lr = 0.1)  sgd(lr = 0.1)  steps 10 }
#! tests/errors/two_optimizers.td:6:36: error[E0403]: a second optimizer
#!     6 | train { loss main  adam(lr = 0.1)  sgd(lr = 0.1)  steps 10 }
#!       |                                    ^^^^^^^^^^^^^
#!    note: tests/errors/two_optimizers.td:6:20: the first is here
