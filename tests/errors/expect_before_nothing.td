op f(x[n]) -> y[n] {
  y = x
  expect W0903 "too late"
}
expect W0903 "too late"
#! tests/errors/expect_before_nothing.td:3:3: error[E0119]: 'expect' stands before nothing
#!     3 |   expect W0903 "too late"
#!       |   ^^^^^^^^^^^^^^^^^^^^^^^
#!    hint: it is about the statement or declaration behind it
#! tests/errors/expect_before_nothing.td:5:1: error[E0119]: 'expect' stands before nothing
#!     5 | expect W0903 "too late"
#!       | ^^^^^^^^^^^^^^^^^^^^^^^
#!    hint: it is about the statement or declaration behind it
