use nn
data text { source "../models/verse.txt" }
dim B = 2, L = 8, V = text.vocab
model net(x: id<V>[B,L]) -> y[B,L,V] { y = embedding(x, V) }
loss main(x: id<V>[B,L]) { minimize mean[b,l](cross_entropy(net(x), x)[b,l]) }
sampler g() {
  state x[B,L] ~ uniform(V)
  emit x[b,l]
}
precision { act f32  act bf16 }
train {
  loss main  adam(lr = 0.1)  steps 10
  sample g every 5
  sample g every 10
}
#! tests/errors/settings_twice.td:10:22: error[E0403]: a second 'act'
#!    10 | precision { act f32  act bf16 }
#!       |                      ^^^
#!    note: tests/errors/settings_twice.td:10:13: the first is here
#! tests/errors/settings_twice.td:14:3: error[E0403]: a second 'sample'
#!    14 |   sample g every 10
#!       |   ^^^^^^
#!    note: tests/errors/settings_twice.td:13:3: the first is here
