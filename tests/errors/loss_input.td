data text { source "../models/verse.txt" }
dim B = 2, L = 8, V = text.vocab
param w[V] = 0
loss main(x[B,L]) { minimize mean[b,l](x[b,l] * w[0]) }
train { loss main  sgd(lr = 0.1)  steps 5 }
#! tests/errors/loss_input.td:4:11: error[E0415]: a loss takes one input, windows of the text: x: id<V>[B, L] with V = the data's vocab
#!     4 | loss main(x[B,L]) { minimize mean[b,l](x[b,l] * w[0]) }
#!       |           ^^^^^^
