# The step of training is an input besides the text.
data text { source "../models/verse.txt" }
dim B = 2, L = 8, V = text.vocab
param w[V] = 0
loss main(step: id<V>[B,L]) { minimize mean[b,l](w[step[b,l]]) }
train { loss main  sgd(lr = 0.1)  steps 5 }
#! tests/errors/input_named_as_the_step.td:5:11: error[E0302]: 'step' is declared twice
#!     5 | loss main(step: id<V>[B,L]) { minimize mean[b,l](w[step[b,l]]) }
#!       |           ^^^^^^^^^^^^^^^^
#!    hint: choose another name
#!    note: tests/errors/input_named_as_the_step.td:6:20: the number of the step is called so here
