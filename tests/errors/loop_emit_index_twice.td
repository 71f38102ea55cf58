op f(x[b,t]) -> y[t,t,b] {
  for i in t { z[b] = x[b,i] } emit y[i,i,b] = z[b]
}
#! tests/errors/loop_emit_index_twice.td:2:41: error[E0207]: index 'i' stands here twice
#!     2 |   for i in t { z[b] = x[b,i] } emit y[i,i,b] = z[b]
#!       |                                         ^
