use nn
dim B = 2, L = 8, D = 8
block net(x[b,l,d]) -> z[b,l,d] {
  h = 2 * x
  h = rmsnorm(h)
  h = mlp(h, 2 * D)
  h[b,l,k in 2 * D] = h[b,l,k % D]
  g[b,l,d] = h[b,l,d] + h[b,l,d + D]
  z = g
}
op long_one(x[b,l,d]) -> z[b,l,d] {
  g2 = x
  g = 2 * x
  g[b,l,d] = g[b,l,d] + sum[k in 3](x[b, l + k - 1 else 0, d]) / 3
  z = g
}
op given(x[b]) -> y[b] {
  x = 2 * x
  y = x
}
#! tests/errors/assigned_again_and_again.td:5:3: error[E0314]: 'h' has a value already
#!     5 |   h = rmsnorm(h)
#!       |   ^
#!    hint: the next step has a name of its own, h2 = rmsnorm(h); only a loop carries one: for i in 3 { h = rmsnorm(h) }
#!    note: tests/errors/assigned_again_and_again.td:4:3: it is given here; names are assigned once, except where a loop carries them
#! tests/errors/assigned_again_and_again.td:14:3: error[E0314]: 'g' has a value already
#!    14 |   g[b,l,d] = g[b,l,d] + sum[k in 3](x[b, l + k - 1 else 0, d]) / 3
#!       |   ^^^^^^^^
#!    hint: the next step has a name of its own, g3[b,l,d] = ...; only a loop carries one
#!    note: tests/errors/assigned_again_and_again.td:13:3: it is given here; names are assigned once, except where a loop carries them
#! tests/errors/assigned_again_and_again.td:18:3: error[E0314]: 'x' has a value already
#!    18 |   x = 2 * x
#!       |   ^
#!    hint: the next step has a name of its own, x2 = 2 * x; only a loop carries one: for i in 3 { x = 2 * x }
#!    note: tests/errors/assigned_again_and_again.td:17:10: it is given here; names are assigned once, except where a loop carries them
