use nn
data text { source "../models/verse.txt" }
dim B = 2, L = 8, V = text.vocab
const most = -1
model net(x: id<V>[B,L]) -> y[B,L,V] { y = embedding(x, V) }
loss main(x: id<V>[B,L]) { minimize mean[b,l](cross_entropy(net(x), x)[b,l]) }
train { loss main  adam(lr = 0.1)  steps 10  clip most }
#! tests/errors/train_clip.td:7:51: error[E0411]: 'clip' must be above 0, this is -1
#!     7 | train { loss main  adam(lr = 0.1)  steps 10  clip most }
#!       |                                                   ^^^^
#!    hint: it is the largest norm that the gradients may have: clip 1.0
