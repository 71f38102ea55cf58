op f(x[b], n[]) -> y[b,k] {
  y[b,k in n] = x[b]
}
#! tests/errors/extent_unknown.td:2:12: error[E0201]: an extent must be known at compile time
#!     2 |   y[b,k in n] = x[b]
#!       |            ^
#!    note: tests/errors/extent_unknown.td:1:4: nothing uses 'f'; it was checked with b = 12
