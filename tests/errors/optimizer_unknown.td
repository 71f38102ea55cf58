use nn
data text { source "../models/verse.txt" }
dim B = 2, L = 8, V = text.vocab
model net(x: id<V>[B,L]) -> y[B,L,V] { y = embedding(x, V) }
loss main(x: id<V>[B,L]) { minimize mean[b,l](cross_entropy(net(x), x)[b,l]) }
train { loss main  adan(lr = 0.1)  steps 5 }
#! tests/errors/optimizer_unknown.td:6:20: error[E0412]: there is no optimizer 'adan'
#!     6 | train { loss main  adan(lr = 0.1)  steps 5 }
#!       |                    ^^^^
#!    hint: did you mean 'adam'?
