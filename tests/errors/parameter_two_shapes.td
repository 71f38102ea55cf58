dim B = 2
model net(x[b,d]) -> y[b] {
  param w[d] ~ normal(0, 0.1)
  y[b] = x[b,d] * w[d]
}
model both(x[B,3], z[B,4]) -> y[B] {
  y = net(x) + net(z)
}
#! tests/errors/parameter_two_shapes.td:3:9: error[E0317]: parameter 'net.w' is used with two shapes
#!     3 |   param w[d] ~ normal(0, 0.1)
#!       |         ^^^^
#!    note: tests/errors/parameter_two_shapes.td:7:16: in this use of 'net'
#!    note: tests/errors/parameter_two_shapes.td:6:7: in this use of 'both'
#!    note: tests/errors/parameter_two_shapes.td:3:9: its first shape was fixed here; a model has one set of parameters wherever it is used
