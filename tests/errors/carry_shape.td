op f(x[b,t,d]) -> y[b,d] {
  scan t carry h[b,d] = x[b,0,d] {
    h[b] = x[b,t,0]
  }
  y = h
}
#! tests/errors/carry_shape.td:2:16: error[E0319]: 'h' enters the loop as real[b, d] and leaves an iteration as real[b]
#!     2 |   scan t carry h[b,d] = x[b,0,d] {
#!       |                ^^^^^^^^^^^^^^^^^
#!    hint: what a loop carries keeps its shape and type
#!    note: tests/errors/carry_shape.td:3:5: it gets its value here
