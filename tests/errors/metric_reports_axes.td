data text { source "../models/verse.txt" }
dim B = 2, L = 8, V = text.vocab
param w[V] = 0
loss main(x: id<V>[B,L+1]) { minimize mean[b,l](w[x[b,l]]) }
metric rows(x: id<V>[B,L+1]) {
  r[b] = w[x[b,0]]
  report r
}
metric long(x: id<V>[B,L+1]) {
  z[b, l in L + 2] = w[x[b,min(l, L)]]
  report z
}
metric eight(x: id<V>[B,L+1]) {
  z[b, l in L] = w[x[b,l+1]]
  report z
}
metric nine(x: id<V>[B,L+1]) {
  z[b,l] = w[x[b,l]]
  report z
}
train { loss main  sgd(lr = 0.1)  steps 5 }
#! tests/errors/metric_reports_axes.td:7:10: error[E0402]: what is reported must be one number, this has the axes [B]
#!     7 |   report r
#!       |          ^
#!    hint: take its mean over all indices: mean[b,l](...); or report one number for each of the last symbols of a row, as many rows as the input has
#! tests/errors/metric_reports_axes.td:11:10: error[E0402]: what is reported must be one number, this has the axes [B, l]
#!    11 |   report z
#!       |          ^
#!    hint: take its mean over all indices: mean[b,l](...); or report one number for each of the last symbols of a row, as many rows as the input has
#! tests/errors/metric_reports_axes.td:19:3: error[E0402]: metric 'nine' reports 9 symbols of a row, another 8
#!    19 |   report z
#!       |   ^^^^^^^^
#!    hint: windows follow each other at that distance: metrics report equally many
