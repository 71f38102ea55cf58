const a = 9223372036854775807, b = 9223372036854775808
const c = 1e308, d = 1e309
#! tests/errors/number_too_large.td:1:36: error[E0104]: the number 9223372036854775808 is too large
#!     1 | const a = 9223372036854775807, b = 9223372036854775808
#!       |                                    ^^^^^^^^^^^^^^^^^^^
#!    hint: whole numbers go up to 9223372036854775807; a real one has a point or an exponent
#! tests/errors/number_too_large.td:2:22: error[E0104]: the number 1e309 is too large
#!     2 | const c = 1e308, d = 1e309
#!       |                      ^^^^^
