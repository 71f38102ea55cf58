const a = 9223372036854775807 + 1, b = a * 2
const c = -9223372036854775807 - 1, d = c / -1, e = -c
op f(x[b]) -> y[b] = x[b] * a
#! tests/errors/integer_overflow.td:1:31: error[E0104]: the result does not fit a whole number of 64 bits
#!     1 | const a = 9223372036854775807 + 1, b = a * 2
#!       |                               ^
#! tests/errors/integer_overflow.td:2:43: error[E0104]: the result does not fit a whole number of 64 bits
#!     2 | const c = -9223372036854775807 - 1, d = c / -1, e = -c
#!       |                                           ^
#! tests/errors/integer_overflow.td:2:53: error[E0104]: the result does not fit a whole number of 64 bits
#!     2 | const c = -9223372036854775807 - 1, d = c / -1, e = -c
#!       |                                                     ^^
