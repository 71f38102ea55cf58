data text { source "../models/verse.txt"  tokens chars }
dim B = 2, L = 4, V = text.vocab
param w[V,V] = 0
loss main(x: id<V>[B,L]) {
  z[b,l,v] = ww[x[b,l],v]
  minimize mean[b,l](z[b,l,0])
}
metric first(x: id<V>[B,L]) {
  report mean[b](y[b,0])
}
sampler s() {
  state x[B,L] ~ uniform(W)
  state y[B,L] ~ uniform(V)
  scale[b] = 1 / temperature
  for t in 3 .. 0 {
    x[b,l] = min(x[b,l] + u[b], V - 1)
    y[b,l] = min(y[b,l] + scale[b], V - 1)
    emit y[b,l]
  }
  log share[b,l] = text.unigram[y[b,l]] * v
}
train { loss main  adam(lr = 0.1)  steps 10 }
#! tests/errors/sampler_looked_at_whole.td:5:14: error[E0301]: unknown name 'ww'
#!     5 |   z[b,l,v] = ww[x[b,l],v]
#!       |              ^^
#! tests/errors/sampler_looked_at_whole.td:9:18: error[E0301]: unknown name 'y'
#!     9 |   report mean[b](y[b,0])
#!       |                  ^
#! tests/errors/sampler_looked_at_whole.td:12:26: error[E0301]: unknown name 'W'
#!    12 |   state x[B,L] ~ uniform(W)
#!       |                          ^
#! tests/errors/sampler_looked_at_whole.td:14:18: error[E0301]: unknown name 'temperature'
#!    14 |   scale[b] = 1 / temperature
#!       |                  ^^^^^^^^^^^
#! tests/errors/sampler_looked_at_whole.td:16:27: error[E0301]: unknown name 'u'
#!    16 |     x[b,l] = min(x[b,l] + u[b], V - 1)
#!       |                           ^
#! tests/errors/sampler_looked_at_whole.td:18:5: error[E0404]: 'emit' ends a sampler, after its loop
#!    18 |     emit y[b,l]
#!       |     ^^^^^^^^^^^
#! tests/errors/sampler_looked_at_whole.td:20:43: error[E0301]: unknown name 'v'
#!    20 |   log share[b,l] = text.unigram[y[b,l]] * v
#!       |                                           ^
