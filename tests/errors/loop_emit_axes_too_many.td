op f(x[a,b,c,d,e,g,h,n]) -> y[2,a,b,c,d,e,g,h,n] {
  for i in 2 { z = x } emit y[i,a,b,c,d,e,g,h,n] = z[a,b,c,d,e,g,h,n]
}
#! tests/errors/loop_emit_axes_too_many.td:2:29: error[E0215]: a tensor has at most 8 axes
#!     2 |   for i in 2 { z = x } emit y[i,a,b,c,d,e,g,h,n] = z[a,b,c,d,e,g,h,n]
#!       |                             ^^^^^^^^^^^^^^^^^^^^
