const a = 1 const b = 2
op f(x) -> y { y = x z = 3 }
op g(x) -> y { y = x } op h(x) -> y { y = x }
#! tests/errors/several_on_one_line.td:1:13: error[E0107]: expected the end of the line before 'const'
#!     1 | const a = 1 const b = 2
#!       |             ^^^^^
#!    hint: statements on one line are separated by ';'
#! tests/errors/several_on_one_line.td:2:22: error[E0107]: expected the end of the line before 'z'
#!     2 | op f(x) -> y { y = x z = 3 }
#!       |                      ^
#!    hint: statements on one line are separated by ';'
#! tests/errors/several_on_one_line.td:3:24: error[E0107]: expected the end of the line before 'op'
#!     3 | op g(x) -> y { y = x } op h(x) -> y { y = x }
#!       |                        ^^
