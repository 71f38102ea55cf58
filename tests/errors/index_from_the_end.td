dim B = 2, L = 4
op f(x[B,L], z[B,d], v[5]) -> y[B] {
  p[b] = x[b,-1] + z[b,-2]
  y[b] = v[-1] + v[-6]
}
#! tests/errors/index_from_the_end.td:3:14: error[E0205]: this index runs over -1 .. -1, but axis 2 of x holds 0 .. 3
#!     3 |   p[b] = x[b,-1] + z[b,-2]
#!       |              ^^
#!    hint: positions count from 0; from the end this is L - 1
#!    note: tests/errors/index_from_the_end.td:2:4: nothing uses 'f'; it was checked with d = 12
#! tests/errors/index_from_the_end.td:3:24: error[E0205]: this index runs over -2 .. -2, but axis 2 of z holds 0 .. 11
#!     3 |   p[b] = x[b,-1] + z[b,-2]
#!       |                        ^^
#!    hint: positions count from 0; from the end this is extent(d) - 2
#!    note: tests/errors/index_from_the_end.td:2:4: nothing uses 'f'; it was checked with d = 12
#! tests/errors/index_from_the_end.td:4:12: error[E0205]: this index runs over -1 .. -1, but axis 1 of v holds 0 .. 4
#!     4 |   y[b] = v[-1] + v[-6]
#!       |            ^^
#!    hint: positions count from 0; from the end this is 5 - 1
#!    note: tests/errors/index_from_the_end.td:2:4: nothing uses 'f'; it was checked with d = 12
#! tests/errors/index_from_the_end.td:4:20: error[E0205]: this index runs over -6 .. -6, but axis 1 of v holds 0 .. 4
#!     4 |   y[b] = v[-1] + v[-6]
#!       |                    ^^
#!    hint: say what is read outside: [-6 else 0]; or guard the read with ?: ; or let a range stop earlier: i in 0 : n
#!    note: tests/errors/index_from_the_end.td:2:4: nothing uses 'f'; it was checked with d = 12
