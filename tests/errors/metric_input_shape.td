data text { source "../models/verse.txt" }
dim B = 2, L = 8, V = text.vocab
param w[V] = 0
loss main(x: id<V>[B,L]) { minimize mean[b,l](w[x[b,l]]) }
metric worst(x: id<V>[B,L+1]) { report max[b,l](w[x[b,l]]) }
train { loss main  sgd(lr = 0.1)  steps 5 }
#! tests/errors/metric_input_shape.td:5:14: error[E0417]: metric 'worst' takes another input than the loss
#!     5 | metric worst(x: id<V>[B,L+1]) { report max[b,l](w[x[b,l]]) }
#!       |              ^^^^^^^^^^^^^^^
#!    note: tests/errors/metric_input_shape.td:4:11: the loss's input is declared here; a metric is computed from the same
