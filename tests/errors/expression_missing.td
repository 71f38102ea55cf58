const a = 3 +

const b = * 2
op f(x) -> y { y = x + }
train { adam(lr = ) }
#! tests/errors/expression_missing.td:3:7: error[E0107]: expected the end of the line before 'b'
#!     3 | const b = * 2
#!       |       ^
#!    hint: line 1 ends with '+', so its statement goes on here
#! tests/errors/expression_missing.td:4:24: error[E0107]: expected an expression before '}'
#!     4 | op f(x) -> y { y = x + }
#!       |                        ^
#! tests/errors/expression_missing.td:5:19: error[E0107]: expected an expression before ')'
#!     5 | train { adam(lr = ) }
#!       |                   ^
