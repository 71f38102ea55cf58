op f(x[i]) -> y {
  a = sum[i](x[i], x[i])
  b = sum[i]()
  c = sum[i](body = x[i])
  y = a
}
#! tests/errors/reducer_body.td:2:20: error[E0112]: sum[...] reduces one expression, not several
#!     2 |   a = sum[i](x[i], x[i])
#!       |                    ^^^^
#!    hint: write sum[i](body)
#! tests/errors/reducer_body.td:3:13: error[E0112]: sum[...] reduces one expression, and here is none
#!     3 |   b = sum[i]()
#!       |             ^
#!    hint: write sum[i](body)
#! tests/errors/reducer_body.td:4:14: error[E0112]: sum[...] reduces one expression, not a named argument
#!     4 |   c = sum[i](body = x[i])
#!       |              ^^^^^^^^^^^
#!    hint: write sum[i](body)
