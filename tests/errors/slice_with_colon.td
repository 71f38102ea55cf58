op f(x[b,d]) -> y[b,2] = x[:, :2]
#! tests/errors/slice_with_colon.td:1:28: error[E0107]: expected an expression or ']' before ':'
#!     1 | op f(x[b,d]) -> y[b,2] = x[:, :2]
#!       |                            ^
#!    hint: an index with a range reads a part: y[i in 2] = b[i + 1]
