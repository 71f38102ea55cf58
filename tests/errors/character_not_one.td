const a = 'ab', b = '', c = 'e', d = '\q'
const e = 'é', f = '\'', g = 'it''s'
const h = 'a
#! tests/errors/character_not_one.td:1:11: error[E0122]: between ' and ' stands one character, a symbol's number
#!     1 | const a = 'ab', b = '', c = 'e', d = '\q'
#!       |           ^^^^
#!    hint: a string is written "ab"
#! tests/errors/character_not_one.td:1:21: error[E0122]: between ' and ' stands one character, a symbol's number
#!     1 | const a = 'ab', b = '', c = 'e', d = '\q'
#!       |                     ^^
#! tests/errors/character_not_one.td:1:39: error[E0106]: unknown escape in a string
#!     1 | const a = 'ab', b = '', c = 'e', d = '\q'
#!       |                                       ^^
#!    hint: the escapes are \n \t \\ \" \' \xHH (two hexadecimal digits, not 00)
#! tests/errors/character_not_one.td:2:30: error[E0122]: between ' and ' stands one character, a symbol's number
#!     2 | const e = 'é', f = '\'', g = 'it''s'
#!       |                              ^^^^
#!    hint: a string is written "it"
#! tests/errors/character_not_one.td:2:34: error[E0107]: expected the end of the line before a character
#!     2 | const e = 'é', f = '\'', g = 'it''s'
#!       |                                  ^^^
#! tests/errors/character_not_one.td:3:11: error[E0101]: unexpected character '''
#!     3 | const h = 'a
#!       |           ^
#!    hint: a character has a quote on both sides, 'a'; a string is written "text"
