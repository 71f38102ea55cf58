op inner(x[n]) -> y[n] {
  y = x
  for e in 2 { for f in 2 { for g in 2 { for h in 2 { for i in 2 { y[k] = y[k] + 1 } } } } }
}
op f(x[n]) -> y[n] {
  y = x
  for a in 2 { for b in 2 { for c in 2 { y = inner(y) } } }
}
op g(x[n]) -> y[n] {
  y = x
  for a in 2 { for b in 2 { for c in 2 { for d in 2 { y = inner(y) } } } }
}
#! tests/errors/loops_too_deep.td:3:55: error[E0109]: loops nest deeper than 8
#!     3 |   for e in 2 { for f in 2 { for g in 2 { for h in 2 { for i in 2 { y[k] = y[k] + 1 } } } } }
#!       |                                                       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
#!    hint: one loop over both ranges says the same: for k in A * B
#!    note: tests/errors/loops_too_deep.td:11:59: in this use of 'inner'
