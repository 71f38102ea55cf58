const a = (1 + 2
#! tests/errors/paren_not_closed_at_end.td:1:17: error[E0107]: expected ')' before the end of the file
#!     1 | const a = (1 + 2
#!       |                 ^
