dim B = 2, L = 3
op f(x[B,L]) -> y[B,L] {
  y = x
  for i in 2 {
    z[l,b] = 2 * y[b,l]
    y = z
  }
}
#! tests/errors/carry_reordered.td:4:3: error[E0319]: 'y' enters the loop as real[B, L] and leaves an iteration as real[L, B]
#!     4 |   for i in 2 {
#!       |   ^^^^^^^^^^^^
#!    hint: what a loop carries keeps its shape and type, and the order of its axes; indices put them in order
#!    note: tests/errors/carry_reordered.td:6:5: it gets its value here
