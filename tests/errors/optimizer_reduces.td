use nn
data text { source "../models/verse.txt" }
dim B = 2, L = 8, V = text.vocab
model net(x: id<V>[B,L]) -> y[B,L,V] { y = embedding(x, V) }
loss main(x: id<V>[B,L]) { minimize mean[b,l](cross_entropy(net(x), x)[b,l]) }
op norm(x[n]) -> y = sqrt(sum[i](x[i]^2))
op lars(p[n], g[n], lr = 0.1) -> q[n] { q[i] = p[i] - lr * g[i] * norm(p) / norm(g) }
train { loss main  lars(lr = 0.1)  steps 5 }
#! tests/errors/optimizer_reduces.td:6:27: error[E0424]: optimizer 'lars' reduces over all parameters: it is given them as one row of numbers, not one by one
#!     6 | op norm(x[n]) -> y = sqrt(sum[i](x[i]^2))
#!       |                           ^^^^^^^^^^^^^^
#!    hint: compute each element of its own; the norm of all gradients is bounded by 'clip X' in train
#!    note: tests/errors/optimizer_reduces.td:8:20: it is the optimizer here
