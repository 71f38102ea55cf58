use nn
data text { source "../models/verse.txt" }
dim B = 2, L = 8, V = text.vocab
model net(x: id<V>[B,L]) -> y[B,L,V] { y = embedding(x, V) }
loss main(x: id<V>[B,L]) { minimize mean[b,l](cross_entropy(net(x), x)[b,l]) }
# A maximum over what it computed itself, in a loop, over one of the axes that it made.
op capped(p[n], g[n], m[n], lr = 0.1) -> q[n], m2[n] {
  m2[i] = 0.9 * m[i] + g[i]
  u[i] = m2[i]
  for k in 3 { u[i] = u[i] / (1 + max[j](u[j])) }
  q[i] = p[i] - lr * u[i]
}
train { loss main  capped(lr = 0.1)  steps 5 }
#! tests/errors/optimizer_reduces_a_state.td:10:35: error[E0424]: optimizer 'capped' reduces over all parameters: it is given them as one row of numbers, not one by one
#!    10 |   for k in 3 { u[i] = u[i] / (1 + max[j](u[j])) }
#!       |                                   ^^^^^^^^^^^^
#!    hint: compute each element of its own; the norm of all gradients is bounded by 'clip X' in train
#!    note: tests/errors/optimizer_reduces_a_state.td:13:20: it is the optimizer here
