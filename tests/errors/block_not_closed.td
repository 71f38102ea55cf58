op f(x) -> y {
  for i in 3 {
    y = x
  }
#! tests/errors/block_not_closed.td:1:14: error[E0108]: this '{' is never closed
#!     1 | op f(x) -> y {
#!       |              ^
