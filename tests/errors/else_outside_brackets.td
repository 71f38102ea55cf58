op f(x) -> y {
  y = x else 0
}
#! tests/errors/else_outside_brackets.td:2:9: error[E0107]: expected the end of the line before 'else'
#!     2 |   y = x else 0
#!       |         ^^^^
#!    hint: 'else' stands in an index, x[i else 0]; a choice is condition ? this : that
