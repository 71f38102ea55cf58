loss main(x[b]) {
  minimise sum[b](x[b])
  for i in 3 : 4 steps { y = x }
  * 3
  y = x
}
#! tests/errors/statement_unknown.td:2:12: error[E0107]: expected '=' or '~' before 'sum'
#!     2 |   minimise sum[b](x[b])
#!       |            ^^^
#!    hint: did you mean 'minimize'?
#! tests/errors/statement_unknown.td:3:24: error[E0107]: expected an expression before '{'
#!     3 |   for i in 3 : 4 steps { y = x }
#!       |                        ^
#! tests/errors/statement_unknown.td:4:3: error[E0107]: expected a statement or '}' before '*'
#!     4 |   * 3
#!       |   ^
