op f(x[b]) -> y[b] = 2 * x[b] && x[b] > 1 ? 1 : 0
op g(x[b]) -> y[b] = !(2 * x[b]) ? 1 : 0
op h(x[b]) -> y = any[b](2 * x[b]) ? 1 : 0
#! tests/errors/logic_of_numbers.td:1:31: error[E0307]: '&&' takes truth values, its left side is a number
#!     1 | op f(x[b]) -> y[b] = 2 * x[b] && x[b] > 1 ? 1 : 0
#!       |                               ^^
#!    hint: compare it: x != 0
#! tests/errors/logic_of_numbers.td:2:22: error[E0307]: '!' takes truth values, this is a number
#!     2 | op g(x[b]) -> y[b] = !(2 * x[b]) ? 1 : 0
#!       |                      ^^^^^^^^^^^
#!    hint: compare it: x != 0
#! tests/errors/logic_of_numbers.td:3:26: error[E0307]: 'any' reduces truth values, this is a number
#!     3 | op h(x[b]) -> y = any[b](2 * x[b]) ? 1 : 0
#!       |                          ^^^^^^^^
