use nn
data text { source "../models/verse.txt" }
dim B = 2, L = 8, V = text.vocab
model net(x: id<V>[B,L]) -> y[B,L,V] { y = embedding(x, V) }
loss main(x: id<V>[B,L]) { minimize mean[b,l](cross_entropy(net(x), x)[b,l]) }
op descend(p[...], lr = 0.1) -> q[...] = p[...] * (1 - lr)
train { loss main  descend(lr = 0.1)  steps 5 }
#! tests/errors/optimizer_shape.td:7:20: error[E0412]: 'descend' is no optimizer
#!     7 | train { loss main  descend(lr = 0.1)  steps 5 }
#!       |                    ^^^^^^^^^^^^^^^^^
#!    hint: an optimizer is op NAME(p[...], g[...], state[...] ..., step, decay, lr = ...) -> p2[...], state2[...] ...
