use nn
data text { source "../models/verse.txt" }
dim B = 2, L = 8, V = text.vocab
model net(x: id<V>[B,L]) -> y[B,L,V] { y = embedding(x, V) }
loss main(x: id<V>[B,L]) { minimize mean[b,l](cross_entropy(net(x), x)[b,l]) }
train { loss main  adam(lr = 0.1)  steps 5  batch 32 }
#! tests/errors/train_batch_contradicts.td:6:51: error[E0411]: 'batch 32' contradicts the loss, whose input has 2 rows
#!     6 | train { loss main  adam(lr = 0.1)  steps 5  batch 32 }
#!       |                                                   ^^
#!    note: tests/errors/train_batch_contradicts.td:5:11: the input is declared here
