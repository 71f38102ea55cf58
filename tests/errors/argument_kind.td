op scale(x[b], k) -> y[b] = k * x[b]
op f(x[b]) -> y[b] = scale(x, x)
#! tests/errors/argument_kind.td:2:31: error[E0222]: 'k' takes one number, but x is a tensor [b]
#!     2 | op f(x[b]) -> y[b] = scale(x, x)
#!       |                               ^
#!    note: tests/errors/argument_kind.td:2:22: in this use of 'scale'
#!    note: tests/errors/argument_kind.td:1:16: 'k' of scale is declared here
