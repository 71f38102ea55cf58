op f(x) -> y {
  y = x
  y += 1
}
#! tests/errors/assignment_with_operator.td:3:5: error[E0107]: expected '=' or '~' before '+'
#!     3 |   y += 1
#!       |     ^
#!    hint: a name is defined once; there is no assignment with an operator
