dim L = 8
const L = 9
op f(x) -> y = x
op f(x) -> y = -x
#! tests/errors/declared_twice.td:2:7: error[E0302]: 'L' is declared twice
#!     2 | const L = 9
#!       |       ^
#!    note: tests/errors/declared_twice.td:1:5: the first one is here
#! tests/errors/declared_twice.td:4:4: error[E0302]: 'f' is declared twice
#!     4 | op f(x) -> y = -x
#!       |    ^
#!    note: tests/errors/declared_twice.td:3:4: the first one is here
