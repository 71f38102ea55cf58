use "../models/causal.td" with B = 2, L[i] = 3
op f(x[B]) -> y[B] = 2 * x[B]
#! tests/errors/use_with_indices.td:1:39: error[E0107]: expected '=' behind 'L': it is one number
#!     1 | use "../models/causal.td" with B = 2, L[i] = 3
#!       |                                       ^^^^
#!    hint: a table is computed in a schedule, a tensor in an op
