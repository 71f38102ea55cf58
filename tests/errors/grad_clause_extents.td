op turned(x[b,l]) -> y[l,b] { y[l,b] = x[b,l] } grad(dy) { dx = dy }
#! tests/errors/grad_clause_extents.td:1:60: error[E0505]: 'dx' must have the axes of 'x', [b, l]
#!     1 | op turned(x[b,l]) -> y[l,b] { y[l,b] = x[b,l] } grad(dy) { dx = dy }
#!       |                                                            ^^
#!       |                                                            [l, b]
