op f(x) -> y {
  y == x
}
const a == 3
#! tests/errors/equality_for_definition.td:2:5: error[E0107]: expected '=' or '~' before '=='
#!     2 |   y == x
#!       |     ^^
#!    hint: a definition is written with a single =
#! tests/errors/equality_for_definition.td:4:9: error[E0107]: expected '=' before '=='
#!     4 | const a == 3
#!       |         ^^
#!    hint: a definition is written with a single =
