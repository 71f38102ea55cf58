op two(x[b]) -> p[b], q[b] { p = x; q = -x }
op f(x[b]) -> y[b] = x + two(x)
#! tests/errors/kind_several_results_as_value.td:2:24: error[E0306]: several results, where a tensor or a number is needed
#!     2 | op f(x[b]) -> y[b] = x + two(x)
#!       |                        ^
#!    hint: give the results names first: a, b = ...
