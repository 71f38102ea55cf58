block f(x[b,d]) -> y[b,d] {
  param w[d] = 1
  param w[d] = 2
  y[b,d] = x[b,d] * w[d]
}
#! tests/errors/parameter_twice.td:3:9: error[E0314]: 'w' has a value already
#!     3 |   param w[d] = 2
#!       |         ^^^^
#!    hint: choose another name
#!    note: tests/errors/parameter_twice.td:2:9: it is given here; names are assigned once, except where a loop carries them
