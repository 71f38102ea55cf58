op f(x) -> y {
  if x > 0 { y = x } else { y = 0 }
  y = x and x
  return y
}
#! tests/errors/if_statement.td:2:6: error[E0107]: expected '=' or '~' before 'x'
#!     2 |   if x > 0 { y = x } else { y = 0 }
#!       |      ^
#!    hint: a choice is an expression: condition ? this : that
#! tests/errors/if_statement.td:3:9: error[E0107]: expected the end of the line before 'and'
#!     3 |   y = x and x
#!       |         ^^^
#!    hint: 'and' is written &&
#! tests/errors/if_statement.td:4:10: error[E0107]: expected '=' or '~' before 'y'
#!     4 |   return y
#!       |          ^
#!    hint: a result is defined by its name: y[i] = ...
