use nn
data text { source "../models/verse.txt" }
dim B = 2, L = 8, V = text.vocab
model net(x: id<V>[B,L]) -> y[B,L,V] { y = embedding(x, V) }
loss main(x: id<V>[B,L]) { minimize mean[b,l](cross_entropy(net(x), x)[b,l]) }
train { loss main }
#! tests/errors/train_incomplete.td:6:1: error[E0410]: 'train' does not say which optimizer to use, how many steps to take
#!     6 | train { loss main }
#!       | ^^^^^^^^^^^^^^^^^^^
#!    hint: train { loss NAME  adam(lr = 1e-4)  steps 1000 }
