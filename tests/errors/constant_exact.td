# 2^53 + 1 is no double: the remainder by 10 is 3, and was 2 where constants were doubles.
const c = 9007199254740993
dim N = c % 10, M = 1 ^ 100 + 2
op f(x[N]) -> y { y = x[3] }
op g(x[M]) -> y { y = x[3] }
#! tests/errors/constant_exact.td:4:25: error[E0205]: this index runs over 3 .. 3, but axis 1 of x holds 0 .. 2
#!     4 | op f(x[N]) -> y { y = x[3] }
#!       |                         ^
#!    hint: say what is read outside: [3 else 0]; or guard the read with ?: ; or let a range stop earlier: i in 0 : n
#! tests/errors/constant_exact.td:5:25: error[E0205]: this index runs over 3 .. 3, but axis 1 of x holds 0 .. 2
#!     5 | op g(x[M]) -> y { y = x[3] }
#!       |                         ^
#!    hint: say what is read outside: [3 else 0]; or guard the read with ?: ; or let a range stop earlier: i in 0 : n
