data text { source "../models/verse.txt" }
dim B = 2, L = 8, V = text.vocab
param w[V] = 0
loss main(x: id<V>[B,L]) {
  best = argmax[v](w[v])
  minimize mean[b,l](w[x[b,l]]) + real(best)
}
train { loss main  sgd(lr = 0.1)  steps 5 }
#! tests/errors/gradient_through_integer.td:6:3: error[E0502]: a gradient is asked through an integer that depends on a parameter in 'loss'
#!     6 |   minimize mean[b,l](w[x[b,l]]) + real(best)
#!       |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
#!    hint: argmax, floor and int have no derivative; give the op a `grad` clause that says what to do
