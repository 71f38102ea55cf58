op f(x[b]) -> y[b] {
  h = 2 * x
  h = h + 1
  y = h
}
#! tests/errors/assigned_twice.td:3:3: error[E0314]: 'h' has a value already
#!     3 |   h = h + 1
#!       |   ^
#!    hint: the next step has a name of its own, h2 = h + 1; only a loop carries one: for i in 3 { h = h + 1 }
#!    note: tests/errors/assigned_twice.td:2:3: it is given here; names are assigned once, except where a loop carries them
