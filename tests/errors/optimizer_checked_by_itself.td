use nn
data text { source "../models/verse.txt" }
dim B = 2, L = 4, V = text.vocab
block wide(x[b,l,v]) -> y[b,l,v] { y[b,l,v] = x[b,l,v + 1] }
model net(x: id<V>[B,L]) -> z[B,L,V] {
  h = linear(embedding(x, 8), W)
  z = wide(h)
}
loss main(x: id<V>[B,L]) { minimize mean[b,l](cross_entropy(net(x), x)[b,l]) }
op muon(p[...,i], g[...,i], m[...,i], lr = 0.1) -> q[...,i], n[...,i] {
  n[...,i] = m[...,i] + g[...,i]
  q[...,i] = p[...,i] - lr * n[...,i + 1]
}
op alone(x[b]) -> y[b] { y[b] = x[b + 1] }
train { loss main  muon(lr = 0.01)  steps 10 }
#! tests/errors/optimizer_checked_by_itself.td:4:53: error[E0205]: this index runs over 1 .. 28, but axis 3 of x holds 0 .. 27
#!     4 | block wide(x[b,l,v]) -> y[b,l,v] { y[b,l,v] = x[b,l,v + 1] }
#!       |                                                     ^^^^^
#!    hint: say what is read outside: [v + 1 else 0]; or guard the read with ?: ; or let a range stop earlier: i in 0 : n
#! tests/errors/optimizer_checked_by_itself.td:6:31: error[E0301]: unknown name 'W'
#!     6 |   h = linear(embedding(x, 8), W)
#!       |                               ^
#!    note: tests/errors/optimizer_checked_by_itself.td:9:61: in this use of 'net'
#! tests/errors/optimizer_checked_by_itself.td:12:36: error[E0205]: this index runs over 1 .. 12, but axis 3 of n holds 0 .. 11
#!    12 |   q[...,i] = p[...,i] - lr * n[...,i + 1]
#!       |                                    ^^^^^
#!    hint: say what is read outside: [i + 1 else 0]; or guard the read with ?: ; or let a range stop earlier: i in 0 : n
#!    note: tests/errors/optimizer_checked_by_itself.td:10:4: 'muon' was checked by itself, with i = 12
#! tests/errors/optimizer_checked_by_itself.td:14:35: error[E0205]: this index runs over 1 .. 2, but axis 1 of x holds 0 .. 1
#!    14 | op alone(x[b]) -> y[b] { y[b] = x[b + 1] }
#!       |                                   ^^^^^
#!    hint: say what is read outside: [b + 1 else 0]; or guard the read with ?: ; or let a range stop earlier: i in 0 : n
