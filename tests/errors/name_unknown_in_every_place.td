dim L = 8
const half = Ll / 2
op f(x[L]) -> y[L] {
  y[i] = sqtr(x[i]) * halff + x[L2]
}
#! tests/errors/name_unknown_in_every_place.td:2:14: error[E0301]: unknown name 'Ll'
#!     2 | const half = Ll / 2
#!       |              ^^
#! tests/errors/name_unknown_in_every_place.td:4:10: error[E0301]: unknown function 'sqtr'
#!     4 |   y[i] = sqtr(x[i]) * halff + x[L2]
#!       |          ^^^^
#!    hint: did you mean 'sqrt'?
#! tests/errors/name_unknown_in_every_place.td:4:23: error[E0301]: unknown name 'halff'
#!     4 |   y[i] = sqtr(x[i]) * halff + x[L2]
#!       |                       ^^^^^
#!    hint: did you mean 'half'?
