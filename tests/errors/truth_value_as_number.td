op f(x[b]) -> y {
  y = sum[b](x[b] > 0)
}
op g(x[b]) -> y[b] = 2 * (x[b] > 0)
#! tests/errors/truth_value_as_number.td:2:14: error[E0307]: 'sum' reduces numbers, this is a truth value
#!     2 |   y = sum[b](x[b] > 0)
#!       |              ^^^^^^^^
#!    hint: count with  condition ? 1 : 0
#! tests/errors/truth_value_as_number.td:4:24: error[E0307]: a truth value where a number is needed
#!     4 | op g(x[b]) -> y[b] = 2 * (x[b] > 0)
#!       |                        ^
#!    hint: choose numbers with  condition ? 1 : 0
