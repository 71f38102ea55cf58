use nn
data text { source "../models/verse.txt" }
dim B = 2, L = 8, V = text.vocab
model net(x: id<V>[B,L]) -> y[B,L,V] { y = embedding(x, V) }
loss main(x: id<V>[B,L]) { minimize mean[b,l](cross_entropy(net(x), x)[b,l]) }
train { loss mian  adam(lr = 0.1)  steps 10 }
#! tests/errors/train_loss_unknown.td:6:14: error[E0413]: there is no loss 'mian'
#!     6 | train { loss mian  adam(lr = 0.1)  steps 10 }
#!       |              ^^^^
#!    hint: did you mean 'main'?
