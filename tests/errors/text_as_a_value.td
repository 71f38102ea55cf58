op f(x[b]) -> y[b] = x[b] * "two"
#! tests/errors/text_as_a_value.td:1:27: error[E0306]: a text, where a tensor or a number is needed
#!     1 | op f(x[b]) -> y[b] = x[b] * "two"
#!       |                           ^
