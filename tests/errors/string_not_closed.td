use "nn.td
data text { source "a
  tokens chars }
const a = 1 +* 2
#! tests/errors/string_not_closed.td:1:5: error[E0105]: this string has no closing '"' on its line
#!     1 | use "nn.td
#!       |     ^^^^^^
#!    hint: a line break inside a string is written \n
#! tests/errors/string_not_closed.td:2:20: error[E0105]: this string has no closing '"' on its line
#!     2 | data text { source "a
#!       |                    ^^
#!    hint: a line break inside a string is written \n
#! tests/errors/string_not_closed.td:4:14: error[E0107]: expected an expression before '*'
#!     4 | const a = 1 +* 2
#!       |              ^
