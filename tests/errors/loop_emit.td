op f(x[b,t]) -> y[b,t] {
  scan t carry h[b] = 0.0 {
    h[b] = h[b] + x[b,t]
  } emit y[b] = h[b]
}
op g(x[b,t]) -> y[b,t] {
  scan t in 1 : 3 carry h[b] = 0.0 {
    h[b] = h[b] + x[b,0]
  } emit y[b,t] = h[b]
}
#! tests/errors/loop_emit.td:4:10: error[E0320]: what a loop emits has the loop's index among its axes
#!     4 |   } emit y[b] = h[b]
#!       |          ^^^^
#!    hint: emit y[.., t, ..] = ...
#! tests/errors/loop_emit.td:9:10: error[E0320]: a loop that emits starts at 0: position 0 of the axis is index 0
#!     9 |   } emit y[b,t] = h[b]
#!       |          ^^^^^^
