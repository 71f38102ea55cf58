mdoel m(x) -> y { y = x }
x = 3
function f(x) { return x }
import nn
#! tests/errors/declaration_unknown.td:1:1: error[E0107]: expected a declaration before 'mdoel'
#!     1 | mdoel m(x) -> y { y = x }
#!       | ^^^^^
#!    hint: did you mean 'model'?
#! tests/errors/declaration_unknown.td:2:1: error[E0107]: expected a declaration before 'x'
#!     2 | x = 3
#!       | ^
#!    hint: a number at the top level is written const name = ..., a size dim name = ...
#! tests/errors/declaration_unknown.td:3:1: error[E0107]: expected a declaration before 'function'
#!     3 | function f(x) { return x }
#!       | ^^^^^^^^
#!    hint: a function is written op name(x[i]) -> y[i] { ... }
#! tests/errors/declaration_unknown.td:4:1: error[E0107]: expected a declaration before 'import'
#!     4 | import nn
#!       | ^^^^^^
#!    hint: another file is imported with use
