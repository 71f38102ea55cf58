schedule long[2147483647] { beta[t] = 0.1 }
schedule slow[1000000] {
  beta[t] = 0.1
  abar[t] = prod[s <= t](1 - beta[s])
}
#! tests/errors/schedule_too_large.td:1:15: error[E0216]: the tables of schedule 'long' are too large to be computed here
#!     1 | schedule long[2147483647] { beta[t] = 0.1 }
#!       |               ^^^^^^^^^^
#! tests/errors/schedule_too_large.td:2:15: error[E0216]: the tables of schedule 'slow' are too large to be computed here
#!     2 | schedule slow[1000000] {
#!       |               ^^^^^^^
