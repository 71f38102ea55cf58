const n = 3
op f(x[b]) -> y[b] = n(x)
#! tests/errors/call_of_a_number.td:2:22: error[E0312]: 'n' is not a function
#!     2 | op f(x[b]) -> y[b] = n(x)
#!       |                      ^
#!    hint: a product is written with '*'
#!    note: tests/errors/call_of_a_number.td:1:7: it is given here
