const n = 4 / 0
const m = 5 % 0
dim L = 6
op f(x[L]) -> y[L] { y[l] = x[l / 0] }
#! tests/errors/division_by_zero.td:1:13: error[E0211]: division by zero
#!     1 | const n = 4 / 0
#!       |             ^
#! tests/errors/division_by_zero.td:2:13: error[E0211]: division by zero
#!     2 | const m = 5 % 0
#!       |             ^
#! tests/errors/division_by_zero.td:4:33: error[E0211]: division by zero
#!     4 | op f(x[L]) -> y[L] { y[l] = x[l / 0] }
#!       |                                 ^
