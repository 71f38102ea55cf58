a = 3
w[i] = 3
for i in 3 { y = 4 }
const b = 2 2
#! tests/errors/top_level_definition.td:1:1: error[E0107]: expected a declaration before 'a'
#!     1 | a = 3
#!       | ^
#!    hint: a number at the top level is written const name = ..., a size dim name = ...
#! tests/errors/top_level_definition.td:2:1: error[E0107]: expected a declaration before 'w'
#!     2 | w[i] = 3
#!       | ^
#!    hint: a number at the top level is written const name = ..., a size dim name = ...
#! tests/errors/top_level_definition.td:3:1: error[E0107]: expected a declaration before 'for'
#!     3 | for i in 3 { y = 4 }
#!       | ^^^
#! tests/errors/top_level_definition.td:4:13: error[E0107]: expected the end of the line before '2'
#!     4 | const b = 2 2
#!       |             ^
