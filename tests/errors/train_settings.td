use nn
data text { source "../models/verse.txt" }
dim B = 2, L = 8, V = text.vocab
model net(x: id<V>[B,L]) -> y[B,L,V] { y = embedding(x, V) }
loss main(x: id<V>[B,L]) { minimize mean[b,l](cross_entropy(net(x), x)[b,l]) }
train { loss main  adam(lr = 0.1)  steps 10  bacth B }
#! tests/errors/train_settings.td:6:46: error[E0409]: 'train' has no setting 'bacth'
#!     6 | train { loss main  adam(lr = 0.1)  steps 10  bacth B }
#!       |                                              ^^^^^
#!    hint: did you mean 'batch'?
