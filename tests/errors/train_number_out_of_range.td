use nn
data text { source "../models/verse.txt" }
dim B = 2, L = 8, V = text.vocab
model net(x: id<V>[B,L]) -> y[B,L,V] { y = embedding(x, V) }
loss main(x: id<V>[B,L]) { minimize mean[b,l](cross_entropy(net(x), x)[b,l]) }
train { loss main  adam(lr = 0.1)  steps 0.5 }
#! tests/errors/train_number_out_of_range.td:6:42: error[E0411]: 'steps' must be a whole number between 1 and 1e+12, this is 0.5
#!     6 | train { loss main  adam(lr = 0.1)  steps 0.5 }
#!       |                                          ^^^
