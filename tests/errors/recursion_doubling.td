op f(x[b]) -> y[b] { y = f(x) + f(2 * x) }
#! tests/errors/recursion_doubling.td:1:26: error[E0313]: 'f' calls itself without end: ops are instantiated where they are used and cannot recurse
#!     1 | op f(x[b]) -> y[b] { y = f(x) + f(2 * x) }
#!       |                          ^^^^
#!    note: tests/errors/recursion_doubling.td:1:26: in this use of 'f'
