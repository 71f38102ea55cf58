data text { source "../models/verse.txt" }
dim B = 2, L = 8, V = text.vocab
param w[V] = 0
loss main(x: id<V>[B,L]) { minimize mean[b,l](w[x[b,l]]) }
metric worst() { report 1.0 }
train { loss main  sgd(lr = 0.1)  steps 5 }
#! tests/errors/metric_inputs.td:5:8: error[E0417]: metric 'worst' has 0 inputs, the loss 'main' has 1
#!     5 | metric worst() { report 1.0 }
#!       |        ^^^^^
#!    note: tests/errors/metric_inputs.td:4:11: the loss's input is declared here; a metric is computed from the same
