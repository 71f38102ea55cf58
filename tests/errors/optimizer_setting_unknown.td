use nn
data text { source "../models/verse.txt" }
dim B = 2, L = 8, V = text.vocab
model net(x: id<V>[B,L]) -> y[B,L,V] { y = embedding(x, V) }
loss main(x: id<V>[B,L]) { minimize mean[b,l](cross_entropy(net(x), x)[b,l]) }
train { loss main  adam(lr = 0.1, bata1 = 0.8)  steps 5 }
#! tests/errors/optimizer_setting_unknown.td:6:35: error[E0310]: 'adam' has no setting 'bata1'
#!     6 | train { loss main  adam(lr = 0.1, bata1 = 0.8)  steps 5 }
#!       |                                   ^^^^^^^^^^^
#!    hint: did you mean 'beta1'?
