op difference(x[i]) -> y[i] {
  y[i] = x[i + 1] - x[i]
}
#! tests/errors/index_out_of_bounds.td:2:12: error[E0205]: this index runs over 1 .. 12, but axis 1 of x holds 0 .. 11
#!     2 |   y[i] = x[i + 1] - x[i]
#!       |            ^^^^^
#!    hint: say what is read outside: [i + 1 else 0]; or guard the read with ?: ; or let a range stop earlier: i in 0 : n
#!    note: tests/errors/index_out_of_bounds.td:1:4: nothing uses 'difference'; it was checked with i = 12
