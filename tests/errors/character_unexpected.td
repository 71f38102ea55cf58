const a = 1 $ 2
const b = a & 3
const s = 'text'
#! tests/errors/character_unexpected.td:1:13: error[E0101]: unexpected character '$'
#!     1 | const a = 1 $ 2
#!       |             ^
#! tests/errors/character_unexpected.td:2:13: error[E0101]: unexpected character '&'
#!     2 | const b = a & 3
#!       |             ^
#!    hint: 'and' is written &&
#! tests/errors/character_unexpected.td:3:11: error[E0122]: between ' and ' stands one character, a symbol's number
#!     3 | const s = 'text'
#!       |           ^^^^^^
#!    hint: a string is written "text"
