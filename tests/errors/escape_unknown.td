data text { source "C:\\\\texts\\poems.txt"  name "a\x4"  other "\x00" }
#! tests/errors/escape_unknown.td:1:53: error[E0106]: unknown escape in a string
#!     1 | data text { source "C:\\\\texts\\poems.txt"  name "a\x4"  other "\x00" }
#!       |                                                     ^^
#!    hint: the escapes are \n \t \\ \" \' \xHH (two hexadecimal digits, not 00)
#! tests/errors/escape_unknown.td:1:66: error[E0106]: unknown escape in a string
#!     1 | data text { source "C:\\\\texts\\poems.txt"  name "a\x4"  other "\x00" }
#!       |                                                                  ^^
#!    hint: the escapes are \n \t \\ \" \' \xHH (two hexadecimal digits, not 00)
