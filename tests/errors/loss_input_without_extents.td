data text { source "../models/verse.txt" }
dim V = text.vocab
param w[V] = 0
loss main(x: id<V>[b,l]) { minimize mean[b,l](w[x[b,l]]) }
train { loss main  sgd(lr = 0.1)  steps 5 }
#! tests/errors/loss_input_without_extents.td:4:20: error[E0201]: the inputs of a loss have extents known at compile time
#!     4 | loss main(x: id<V>[b,l]) { minimize mean[b,l](w[x[b,l]]) }
#!       |                    ^
#!    hint: name dims here: x[B, L]
