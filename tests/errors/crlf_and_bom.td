const a = 1
const b = (2 3)
const c = 	4 5
#! tests/errors/crlf_and_bom.td:2:14: error[E0107]: expected ')' before '3'
#!     2 | const b = (2 3)
#!       |              ^
#!    hint: a product is written with '*'
#! tests/errors/crlf_and_bom.td:3:14: error[E0107]: expected the end of the line before '5'
#!     3 | const c =  4 5
#!       |              ^
