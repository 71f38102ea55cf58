use nn
data text { source "../models/verse.txt" }
dim B = 2, L = 8, V = text.vocab
model net(x: id<V>[B,L]) -> y[B,L,V] { y = embedding(x, V) }
loss main(x: id<V>[B,L]) { minimize mean[b,l](cross_entropy(net(x), x)[b,l]) }
op momentum(p[...], g[...], m[...], lr = 0.1) -> q[...] = p[...] - lr * (g[...] + m[...])
train { loss main  momentum(lr = 0.1)  steps 5 }
#! tests/errors/optimizer_results.td:7:20: error[E0412]: optimizer 'momentum' has 1 result: the weights and its 1 state were expected
#!     7 | train { loss main  momentum(lr = 0.1)  steps 5 }
#!       |                    ^^^^^^^^^^^^^^^^^^
#!    note: tests/errors/optimizer_results.td:6:4: 'momentum' is declared here; a tensor after the first two is a state, and comes back
