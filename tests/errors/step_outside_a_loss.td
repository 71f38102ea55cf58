# What a metric or an op wants to know of the step, the loss hands it.
data text { source "../models/verse.txt" }
dim B = 4, L = 8, V = text.vocab
param w[V] = 0
op warmed(x[b]) -> y[b] = min(1, step / 100) * x[b]
loss main(x: id<V>[B,L]) {
  size[b] = mean[l](w[x[b,l]])
  minimize mean[b](warmed(size)[b])
}
metric late(x: id<V>[B,L]) { report real(steps) }
train { loss main  sgd(lr = 0.1)  batch B  steps 10 }
#! tests/errors/step_outside_a_loss.td:5:34: error[E0301]: unknown name 'step'
#!     5 | op warmed(x[b]) -> y[b] = min(1, step / 100) * x[b]
#!       |                                  ^^^^
#!    hint: it is known in a loss, which can hand it on as an argument
#!    note: tests/errors/step_outside_a_loss.td:8:20: in this use of 'warmed'
#! tests/errors/step_outside_a_loss.td:10:42: error[E0301]: unknown name 'steps'
#!    10 | metric late(x: id<V>[B,L]) { report real(steps) }
#!       |                                          ^^^^^
#!    hint: it is known in a loss, which can hand it on as an argument
