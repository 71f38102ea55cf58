use nn
data text { source "../models/verse.txt" }
dim B = 2, L = 8, V = text.vocab
model net(x: id<V>[B,L]) -> y[B,L,V] { y = embedding(x, V) }
loss main(x: id<V>[B,L]) { minimize mean[b,l](cross_entropy(net(x), x)[b,l]) }
train { loss main  adam(lr = 0.1)  steps 5 }
train again { loss main  adam(lr = 0.2)  steps 5 }
#! tests/errors/train_twice.td:7:1: error[E0403]: a second 'train'
#!     7 | train again { loss main  adam(lr = 0.2)  steps 5 }
#!       | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
#!    note: tests/errors/train_twice.td:6:1: the first is here
