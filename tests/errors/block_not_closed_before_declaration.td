op f(x[i]) -> y[i] {
  for i in 3 {
    y[i] = x[i]

op g(x) -> y { y = x ]
const a = 3
#! tests/errors/block_not_closed_before_declaration.td:2:14: error[E0108]: this '{' is not closed before 'op' in line 5
#!     2 |   for i in 3 {
#!       |              ^
#!       |              opened here
#!     5 | op g(x) -> y { y = x ]
#!       | ^^
#!       | a declaration stands at the top level, not in a block
#! tests/errors/block_not_closed_before_declaration.td:5:14: error[E0108]: this '{' is not closed before 'const' in line 6
#!     5 | op g(x) -> y { y = x ]
#!       |              ^
#!       |              opened here
#!     6 | const a = 3
#!       | ^^^^^
#!       | a declaration stands at the top level, not in a block
#! tests/errors/block_not_closed_before_declaration.td:5:22: error[E0107]: expected the end of the line before ']'
#!     5 | op g(x) -> y { y = x ]
#!       |                      ^
