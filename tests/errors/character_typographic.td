const a = 2 × 3
const b = 2 − 1
use “nn”
const c = a ≤ b
#! tests/errors/character_typographic.td:1:13: error[E0101]: unexpected character '×'
#!     1 | const a = 2 × 3
#!       |             ^
#!    hint: a product is written *
#! tests/errors/character_typographic.td:2:13: error[E0101]: unexpected character '−'
#!     2 | const b = 2 − 1
#!       |             ^
#!    hint: minus is written -
#! tests/errors/character_typographic.td:3:5: error[E0101]: unexpected character '“'
#!     3 | use “nn”
#!       |     ^
#!    hint: a string is written "text"
#! tests/errors/character_typographic.td:4:13: error[E0101]: unexpected character '≤'
#!     4 | const c = a ≤ b
#!       |             ^
#!    hint: 'at most' is written <=
