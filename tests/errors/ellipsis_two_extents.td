op f(x[...], y[...]) -> z[...] = x[...] + y[...]
op g(a[i], b[j]) -> c[i] {
  c = f(a, b)
}
#! tests/errors/ellipsis_two_extents.td:3:12: error[E0223]: '...' has the extent 12 in an earlier argument and 24 in this one
#!     3 |   c = f(a, b)
#!       |         ^  ^
#!       |         12
#!       |            24
#!    note: tests/errors/ellipsis_two_extents.td:3:7: in this use of 'f'
#!    note: tests/errors/ellipsis_two_extents.td:2:4: nothing uses 'g'; it was checked with i = 12, j = 24
#!    note: tests/errors/ellipsis_two_extents.td:1:14: 'y' of f is declared here
