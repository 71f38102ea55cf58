op rounded(x[n]) -> y[n] = round(x[n]) grad(dy) { dX[n] = dy[n] } nocheck
#! tests/errors/grad_clause_of_nothing.td:1:40: error[E0504]: the clause says nothing of any argument of 'rounded'
#!     1 | op rounded(x[n]) -> y[n] = round(x[n]) grad(dy) { dX[n] = dy[n] } nocheck
#!       |                                        ^^^^^^^^^^^^^^^^^^^^^^^^^^
#!    hint: 'dx' is what it says of 'x'; a clause that stops everything is empty