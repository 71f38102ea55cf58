use nn
model m(x[4,8]) -> y[4,8] { y = x + linear(x, 8) }
#! tests/errors/axes_of_bare_numbers.td:2:35: error[E0213]: these tensors do not share their axes: x is [4, 8] and [4, o]
#!     2 | model m(x[4,8]) -> y[4,8] { y = x + linear(x, 8) }
#!       |                                   ^
#!    hint: axes are aligned by name, and an axis of a bare number has none: name the extent (dim D = 8), or write the statement with indices
#!    note: tests/errors/axes_of_bare_numbers.td:2:7: in this use of 'm'
#!    note: tests/errors/axes_of_bare_numbers.td:2:9: x is defined here
