data text { source "../models/verse.txt" }
dim B = 2, L = 8, V = text.vocab
param w[V] = 0
loss main(x: id<V>[B,L]) { minimize mean[b,l](round(w[x[b,l]])) }
train { loss main  sgd(lr = 0.1)  steps 5 }
#! tests/errors/no_derivative.td:4:37: error[E0501]: a gradient is asked through 'round', which has none
#!     4 | loss main(x: id<V>[B,L]) { minimize mean[b,l](round(w[x[b,l]])) }
#!       |                                     ^^^^^^^^^^^^^^^^^^^^^^^^^^^
#!    hint: give the op that computes 'loss.mean' a `grad` clause that says what to do
