expect W0903
op f(x[n]) -> y[n] { y = x }
#! tests/errors/expect_without_reason.td:1:13: error[E0107]: expected a string before the end of the line
#!     1 | expect W0903
#!       |             ^
