op f(x[b]) -> y[b] = f(x) + 1
op even(x[b]) -> y[b] = odd(x)
op odd(x[b]) -> y[b] = even(x)
#! tests/errors/recursion.td:1:22: error[E0313]: 'f' calls itself without end: ops are instantiated where they are used and cannot recurse
#!     1 | op f(x[b]) -> y[b] = f(x) + 1
#!       |                      ^^^^
#!    note: tests/errors/recursion.td:1:22: in this use of 'f'
#! tests/errors/recursion.td:3:24: error[E0313]: 'even' calls itself without end: ops are instantiated where they are used and cannot recurse
#!     3 | op odd(x[b]) -> y[b] = even(x)
#!       |                        ^^^^^^^
#!    note: tests/errors/recursion.td:2:25: in this use of 'odd'
#!    note: tests/errors/recursion.td:3:24: in this use of 'even'
