op dot(x[i], y[i]) -> z {
  z = sum[i](x[i] * y[i])
}
op f(p[n], q[m]) -> r {
  r = dot(p, q)
}
#! tests/errors/argument_extents_disagree.td:5:14: error[E0221]: axis 1 of 'y' must be i = 12, but q has m = 24 there
#!     5 |   r = dot(p, q)
#!       |           ^  ^
#!       |           i = 12
#!       |              i = 24
#!    note: tests/errors/argument_extents_disagree.td:5:7: in this use of 'dot'
#!    note: tests/errors/argument_extents_disagree.td:4:4: nothing uses 'f'; it was checked with n = 12, m = 24
#!    note: tests/errors/argument_extents_disagree.td:1:14: 'y' is declared here; the argument is [m]
