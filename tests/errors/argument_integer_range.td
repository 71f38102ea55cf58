use nn
dim V = 10
op look(x: id<V>[b]) -> y[b] = real(x[b])
op f(t: id<12>[b]) -> y[b] {
  y = look(t)
}
op g(t: id<V>[b]) -> y[b] {
  s[b] = t[b] - 1
  y = look(s)
}
#! tests/errors/argument_integer_range.td:5:12: error[E0225]: 'x' takes integers in 0 .. 9, these run over 0 .. 11
#!     5 |   y = look(t)
#!       |            ^
#!    hint: max(0, min(x, 9)) keeps an integer inside
#!    note: tests/errors/argument_integer_range.td:5:7: in this use of 'look'
#!    note: tests/errors/argument_integer_range.td:4:4: nothing uses 'f'; it was checked with b = 12
#!    note: tests/errors/argument_integer_range.td:3:9: 'x' of look is declared here
#! tests/errors/argument_integer_range.td:9:12: error[E0225]: 'x' takes integers in 0 .. 9, these run over -1 .. 8
#!     9 |   y = look(s)
#!       |            ^
#!    hint: max(0, min(x, 9)) keeps an integer inside
#!    note: tests/errors/argument_integer_range.td:9:7: in this use of 'look'
#!    note: tests/errors/argument_integer_range.td:7:4: nothing uses 'g'; it was checked with b = 12
#!    note: tests/errors/argument_integer_range.td:3:9: 'x' of look is declared here
