use nn
data text { source "../models/verse.txt" }
dim B = 2, L = 8, V = text.vocab
model net(x: id<V>[B,L]) -> y[B,L,V] { y = embedding(x, V) }
loss main(x: id<V>[B,L]) { minimize mean[b,l](cross_entropy(net(x), x)[b,l]) }
sampler random() { state x[B,L] ~ uniform(V); emit x[b,l] }
train { loss main  adam(lr = 0.1)  steps 5  sample random }
#! tests/errors/sample_without_every.td:7:52: error[E0410]: 'sample random' needs 'every N' after it
#!     7 | train { loss main  adam(lr = 0.1)  steps 5  sample random }
#!       |                                                    ^^^^^^
