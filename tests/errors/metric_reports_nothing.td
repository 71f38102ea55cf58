data text { source "../models/verse.txt" }
dim B = 2, L = 8, V = text.vocab
param w[V] = 0
loss main(x: id<V>[B,L]) { minimize mean[b,l](w[x[b,l]]) }
metric worst(x: id<V>[B,L]) { z = max[b,l](w[x[b,l]]) }
train { loss main  sgd(lr = 0.1)  steps 5 }
#! tests/errors/metric_reports_nothing.td:5:8: error[E0416]: metric 'worst' reports nothing
#!     5 | metric worst(x: id<V>[B,L]) { z = max[b,l](w[x[b,l]]) }
#!       |        ^^^^^
#!    hint: end it with  report mean[b,l](...)
