const a = 1  + 2
#! tests/errors/character_control.td:1:13: error[E0101]: unexpected control character (code 1)
#!     1 | const a = 1 ? + 2
#!       |             ^
