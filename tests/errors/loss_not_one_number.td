data text { source "../models/verse.txt" }
dim B = 2, L = 8, V = text.vocab
param w[V] = 0
loss main(x: id<V>[B,L]) {
  z[b,l] = w[x[b,l]]
  minimize z
}
train { loss main  sgd(lr = 0.1)  steps 5 }
#! tests/errors/loss_not_one_number.td:6:12: error[E0402]: what is minimised must be one number, this has the axes [B, L]
#!     6 |   minimize z
#!       |            ^
#!    hint: take its mean over all indices: mean[b,l](...)
