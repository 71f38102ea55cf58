op f(x[b]) -> y[b] = 2 * x[b] ? 1 : 0
#! tests/errors/condition_is_a_number.td:1:22: error[E0307]: the condition of ?: must be a comparison, this is a number
#!     1 | op f(x[b]) -> y[b] = 2 * x[b] ? 1 : 0
#!       |                      ^^^^^^^^
#!    hint: write  x != 0 ? a : b
