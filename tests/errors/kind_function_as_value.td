use nn
op f(x[b]) -> y[b] = x + gelu
op g(x[b]) -> y[b] { y[b] = gelu[b] }
#! tests/errors/kind_function_as_value.td:2:24: error[E0306]: 'gelu' is a function; a tensor or a number is needed here
#!     2 | op f(x[b]) -> y[b] = x + gelu
#!       |                        ^
#!    hint: call it: gelu(...)
#! tests/errors/kind_function_as_value.td:3:29: error[E0306]: 'gelu' is a function; a tensor or a number is needed here
#!     3 | op g(x[b]) -> y[b] { y[b] = gelu[b] }
#!       |                             ^^^^
#!    hint: call it: gelu(...)
