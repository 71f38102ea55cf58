const a = 2x
const b = 1.
const c = 0x10
const d = 1_
const e = 1e
const f = 1.2.3
const g = 3.x
#! tests/errors/number_malformed.td:1:11: error[E0103]: malformed number '2x'
#!     1 | const a = 2x
#!       |           ^^
#!    hint: a product is written with '*', as in 2 * x
#! tests/errors/number_malformed.td:2:11: error[E0103]: malformed number '1.'
#!     2 | const b = 1.
#!       |           ^^
#!    hint: write 1.0
#! tests/errors/number_malformed.td:3:11: error[E0103]: malformed number '0x10'
#!     3 | const c = 0x10
#!       |           ^^^^
#!    hint: numbers are decimal
#! tests/errors/number_malformed.td:4:11: error[E0103]: malformed number '1_'
#!     4 | const d = 1_
#!       |           ^^
#!    hint: underscores stand between digits: 1_000
#! tests/errors/number_malformed.td:5:11: error[E0103]: malformed number '1e'
#!     5 | const e = 1e
#!       |           ^^
#!    hint: an exponent has digits: 1e3
#! tests/errors/number_malformed.td:6:11: error[E0103]: malformed number '1.2.3'
#!     6 | const f = 1.2.3
#!       |           ^^^^^
#!    hint: a number has one point
#! tests/errors/number_malformed.td:7:11: error[E0103]: malformed number '3.x'
#!     7 | const g = 3.x
#!       |           ^^^
#!    hint: a number has a digit after its point: 1.0
