op last(x[b,t]) -> y[b] {
  scan t carry h[b] = 0.0 { h[b] = h[b] + x[b,t] }
  y = h
}
op f(x[b,t]) -> y[b] {
  y[b] = last(x)[b] + slow(x[b,0])
}
op slow(a) -> b {
  h = a
  for i in 3 { h = h * 2 }
  b = h
}
#! tests/errors/loop_inside_an_index.td:10:3: error[E0406]: a loop cannot run inside an indexed expression; pass whole tensors to the op that holds it
#!    10 |   for i in 3 { h = h * 2 }
#!       |   ^^^^^^^^^^^^^^^^^^^^^^^^
#!    note: tests/errors/loop_inside_an_index.td:6:23: in this use of 'slow'
