op f(x[a,b,c,d,e,f,g,h]) -> y[a,b,c,d,e,f,g,h,i] {
  y[a,b,c,d,e,f,g,h,i in 2] = x[a,b,c,d,e,f,g,h] * i
}
op g(x[a,b,c,d,e,f,g,h,i]) -> y[a] {
  y[a] = x[a,0,0,0,0,0,0,0,0]
}
#! tests/errors/axes_too_many.td:2:3: error[E0215]: a tensor has at most 8 axes
#!     2 |   y[a,b,c,d,e,f,g,h,i in 2] = x[a,b,c,d,e,f,g,h] * i
#!       |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
#! tests/errors/axes_too_many.td:4:6: error[E0215]: a tensor has at most 8 axes
#!     4 | op g(x[a,b,c,d,e,f,g,h,i]) -> y[a] {
#!       |      ^^^^^^^^^^^^^^^^^^^^
