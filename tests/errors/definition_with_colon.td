op f(x) -> y := x
op g(x) -> y { y := x }
#! tests/errors/definition_with_colon.td:1:15: error[E0107]: expected a name before '='
#!     1 | op f(x) -> y := x
#!       |               ^
#!    hint: a definition is written with =
#! tests/errors/definition_with_colon.td:2:18: error[E0107]: expected '=' or '~' before ':'
#!     2 | op g(x) -> y { y := x }
#!       |                  ^
#!    hint: a definition is written with =
