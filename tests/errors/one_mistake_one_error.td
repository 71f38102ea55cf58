use nn
dim B = 2, L = 8, D = 16
block layer(x[b,l,d]) -> y[b,l,d] {
  h = linear(x, hiden)
  g = gelu(h) + h
  y = linear(g, extent(d)) + x
}
model net(x[B,L,D]) -> y[B,L,D] {
  y = layer(layer(x))
}
#! tests/errors/one_mistake_one_error.td:4:17: error[E0301]: unknown name 'hiden'
#!     4 |   h = linear(x, hiden)
#!       |                 ^^^^^
#!    note: tests/errors/one_mistake_one_error.td:9:13: in this use of 'layer'
#!    note: tests/errors/one_mistake_one_error.td:8:7: in this use of 'net'
