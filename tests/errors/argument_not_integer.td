use nn
op f(x[b]) -> y[b,v] {
  y = onehot(x)
}
#! tests/errors/argument_not_integer.td:3:14: error[E0224]: 'x' takes integers (id<...>), but x is real
#!     3 |   y = onehot(x)
#!       |              ^
#!    note: tests/errors/argument_not_integer.td:3:7: in this use of 'onehot'
#!    note: <std/nn.td>:26:11: 'x' of onehot is declared here
