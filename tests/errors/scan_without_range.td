op count(x[b]) -> y[b] {
  scan t carry h[b] = x[b] { h[b] = h[b] + t }
  y = h
}
#! tests/errors/scan_without_range.td:2:8: error[E0202]: nothing says how far 't' runs
#!     2 |   scan t carry h[b] = x[b] { h[b] = h[b] + t }
#!       |        ^
#!    hint: write its range: scan t in 8, with a number or a dim
