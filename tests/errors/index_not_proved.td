dim V = 10
op pick(x[V], t[b], k: id<20>[b]) -> y[b] {
  n[b] = int(t[b])
  y[b] = x[n[b]] + x[k[b]]
}
#! tests/errors/index_not_proved.td:4:12: error[E0205]: nothing proves that this index stays in 0 .. 9, axis 1 of x
#!     4 |   y[b] = x[n[b]] + x[k[b]]
#!       |            ^^^^
#!    hint: say what is read outside: [n[b] else 0]; or guard the read with ?: ; or let a range stop earlier: i in 0 : n
#!    note: tests/errors/index_not_proved.td:2:4: nothing uses 'pick'; it was checked with b = 12
#! tests/errors/index_not_proved.td:4:22: error[E0205]: this index runs over 0 .. 19, but axis 1 of x holds 0 .. 9
#!     4 |   y[b] = x[n[b]] + x[k[b]]
#!       |                      ^^^^
#!    hint: say what is read outside: [k[b] else 0]; or guard the read with ?: ; or let a range stop earlier: i in 0 : n
#!    note: tests/errors/index_not_proved.td:2:4: nothing uses 'pick'; it was checked with b = 12
