# fine: Ã©
# not: é
const a = 1
#! tests/errors/utf8_invalid.td:2:8: error[E0102]: the byte 0xE9 is not valid UTF-8
#!     2 | # not: ?
#!       |        ^
