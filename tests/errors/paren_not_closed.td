op f(a, b) -> y {
  t = (a + b
  u = 3
  y = g(a,
        b
  z = 4 4
}
#! tests/errors/paren_not_closed.td:3:3: error[E0107]: expected ')' before 'u'
#!     2 |   t = (a + b
#!       |       ^
#!       |       this '(' is open
#!     3 |   u = 3
#!       |   ^
#! tests/errors/paren_not_closed.td:6:3: error[E0107]: expected ')' or ',' before 'z'
#!     4 |   y = g(a,
#!       |        ^
#!       |        this '(' is open
#!     6 |   z = 4 4
#!       |   ^
#! tests/errors/paren_not_closed.td:6:9: error[E0107]: expected the end of the line before '4'
#!     6 |   z = 4 4
#!       |         ^
#!    hint: a product is written with '*'
