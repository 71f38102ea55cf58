use nn
data text { source "../models/verse.txt" }
dim B = 2, L = 8, V = text.vocab
model net(x: id<V>[B,L]) -> y[B,L,V] { y = embedding(x, V) }
loss main(x: id<V>[B,L]) { minimize mean[b,l](cross_entropy(net(x), x)[b,l]) }
op smooth(p[n], g[n], lr = 0.1) -> q[n] { q[i] = p[i] - lr * (g[i] + (i > 0 ? g[i - 1] : 0.0)) }
train { loss main  smooth(lr = 0.1)  steps 5 }
#! tests/errors/optimizer_neighbour.td:6:43: error[E0424]: optimizer 'smooth' reads elements of 'grad.matrix' that are not its own: it is given all parameters as one row of numbers, not one by one
#!     6 | op smooth(p[n], g[n], lr = 0.1) -> q[n] { q[i] = p[i] - lr * (g[i] + (i > 0 ? g[i - 1] : 0.0)) }
#!       |                                           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
#!    hint: index weights, gradient and states alike: p2[...] = p[...] - lr * g[...]
#!    note: tests/errors/optimizer_neighbour.td:7:20: it is the optimizer here
