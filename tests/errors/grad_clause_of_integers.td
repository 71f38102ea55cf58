op whole(x[n]) -> k[n] = int(x[n]) grad(dk) { dx[n] = dk[n] } nocheck
#! tests/errors/grad_clause_of_integers.td:1:36: error[E0504]: the result of 'whole' is no real number, so there is no 'dk': only an empty clause can be meant
#!     1 | op whole(x[n]) -> k[n] = int(x[n]) grad(dk) { dx[n] = dk[n] } nocheck
#!       |                                    ^^^^^^^^^^^^^^^^^^^^^^^^^^