op f(a, b) -> y {
  t = a +
  y = t * b
}
#! tests/errors/continuation_unexpected.td:3:5: error[E0107]: expected the end of the line before '='
#!     3 |   y = t * b
#!       |     ^
#!    hint: line 2 ends with '+', so its statement goes on here
