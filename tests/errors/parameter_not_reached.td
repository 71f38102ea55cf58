use nn
data text { source "../models/verse.txt" }
dim B = 2, L = 8, V = text.vocab, D = 4
model net(x: id<V>[B,L]) -> y[B,L,V] {
  param bias[V] = 0
  y = linear(embedding(x, D), V)
}
loss main(x: id<V>[B,L]) { minimize mean[b,l](cross_entropy(net(x), x)[b,l]) }
train { loss main  adam(lr = 0.1)  steps 10 }
#! tests/errors/parameter_not_reached.td:5:9: error[E0503]: the loss does not depend on parameter 'net.bias': it would never be trained
#!     5 |   param bias[V] = 0
#!       |         ^^^^^^^
#!    hint: use it on the way to the loss, or remove it
#!    note: tests/errors/parameter_not_reached.td:8:28: the loss is here
