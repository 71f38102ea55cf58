dim B = 3
op f(x[b,l]) -> y[b] {
  y = x
}
op g(x[b]) -> y[B] {
  y = x
}
#! tests/errors/result_shape.td:2:17: error[E0222]: the result 'y' should have 1 axis and has 2: [b, l]
#!     2 | op f(x[b,l]) -> y[b] {
#!       |                 ^^^^
#!    note: tests/errors/result_shape.td:3:3: 'y' gets its value here
#! tests/errors/result_shape.td:5:15: error[E0221]: axis 1 of the result 'y' should be B = 3 and is b = 12
#!     5 | op g(x[b]) -> y[B] {
#!       |               ^^^^
#!    note: tests/errors/result_shape.td:5:4: nothing uses 'g'; it was checked with b = 12
#!    note: tests/errors/result_shape.td:6:3: 'y' gets its value here
