op f(x) -> y {
  y = x
  print(y)
}
#! tests/errors/call_alone.td:3:8: error[E0107]: expected '=' or '~' before '('
#!     3 |   print(y)
#!       |        ^
#!    hint: indices stand in square brackets, y[i] = ...; a call alone has no effect
