use nn with eps = 1
use "../models/causal.td" with Bb = 2, D = 8, D = 16
#! tests/errors/use_with_unknown.td:1:13: error[E0420]: eps: the library 'nn' declares no const, dim or axis of that name
#!     1 | use nn with eps = 1
#!       |             ^^^
#! tests/errors/use_with_unknown.td:2:32: error[E0420]: Bb: '../models/causal.td' declares no const, dim or axis of that name
#!     2 | use "../models/causal.td" with Bb = 2, D = 8, D = 16
#!       |                                ^^
#! tests/errors/use_with_unknown.td:2:47: error[E0403]: a second 'D'
#!     2 | use "../models/causal.td" with Bb = 2, D = 8, D = 16
#!       |                                               ^
#!    note: tests/errors/use_with_unknown.td:2:40: the first is here
