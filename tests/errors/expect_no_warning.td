expect E0204 "they are equal"
op f(x[n]) -> y[n] { y = x }
expect W0999 "?"
op g(x[n]) -> y[n] {
  expect W903 "?"
  y = x
}
#! tests/errors/expect_no_warning.td:1:8: error[E0426]: 'E0204' is no warning
#!     1 | expect E0204 "they are equal"
#!       |        ^^^^^
#!    hint: an error is to be mended; warnings are W0901 and so on
#! tests/errors/expect_no_warning.td:3:8: error[E0426]: 'W0999' is no warning
#!     3 | expect W0999 "?"
#!       |        ^^^^^
#!    hint: `tdc explain` lists them: W0901 and so on
#! tests/errors/expect_no_warning.td:5:10: error[E0426]: 'W903' is no warning
#!     5 |   expect W903 "?"
#!       |          ^^^^
#!    hint: `tdc explain` lists them: W0901 and so on
