const a = 'ab'
const b = '', c = 'e'
const d = '\q'
const e = 'é', f = '\'', g = 'it''s'
const h = 'a
const i = ''', j = 2
#! tests/errors/character_not_one.td:1:11: error[E0122]: between ' and ' stands one character, a symbol's number
#!     1 | const a = 'ab'
#!       |           ^^^^
#!    hint: a string is written "ab"
#! tests/errors/character_not_one.td:2:11: error[E0122]: between ' and ' stands one character, a symbol's number
#!     2 | const b = '', c = 'e'
#!       |           ^^
#! tests/errors/character_not_one.td:3:12: error[E0106]: unknown escape in a string
#!     3 | const d = '\q'
#!       |            ^^
#!    hint: the escapes are \n \t \\ \" \' \xHH (two hexadecimal digits, not 00)
#! tests/errors/character_not_one.td:4:30: error[E0122]: between ' and ' stands one character, a symbol's number
#!     4 | const e = 'é', f = '\'', g = 'it''s'
#!       |                              ^^^^
#!    hint: a string is written "it"
#! tests/errors/character_not_one.td:5:11: error[E0122]: this character has no closing ' on its line
#!     5 | const h = 'a
#!       |           ^^
#!    hint: a symbol has a quote on both sides, 'a'; a string is written "text"
#! tests/errors/character_not_one.td:6:11: error[E0122]: between ' and ' stands one character, a symbol's number
#!     6 | const i = ''', j = 2
#!       |           ^^
