op g(x[b,l]) -> y[b,l] = 2 * x[b,l] grad(dy) { dx[b] = sum[l](dy[b,l]) }
op f(x[b,l]) -> y[b,l] { y = g(x) }
#! tests/errors/grad_clause_axes.td:1:48: error[E0505]: 'dx' must have the axes of 'x', [b, l]
#!     1 | op g(x[b,l]) -> y[b,l] = 2 * x[b,l] grad(dy) { dx[b] = sum[l](dy[b,l]) }
#!       |                                                ^^^^^
#!       |                                                [b]
