op f(x[b,l], w[l,f]) -> y[b,f], z[b], k {
  y[b,f] = (xx[b,l,m] + xx[b,m,l]) * w[l,f]
  h[b,m] = y[b,f] + xx[b,m]
  z[b] = sum[m](h[b,m]) + sum[m](exp[m])
  k = extent(m) + extent(m)
}
op g(x[b,l], w[l,f]) -> y[b,f] {
  y[b,f] = x[b,n] * w[n,f] + xx[b,f] + w[f]
}
#! tests/errors/unknown_tensor_is_said_once.td:2:13: error[E0301]: unknown name 'xx'
#!     2 |   y[b,f] = (xx[b,l,m] + xx[b,m,l]) * w[l,f]
#!       |             ^^
#! tests/errors/unknown_tensor_is_said_once.td:4:34: error[E0301]: unknown name 'exp'
#!     4 |   z[b] = sum[m](h[b,m]) + sum[m](exp[m])
#!       |                                  ^^^
#!    hint: it is a function: exp(...)
#! tests/errors/unknown_tensor_is_said_once.td:5:14: error[E0301]: unknown name 'm'
#!     5 |   k = extent(m) + extent(m)
#!       |              ^
#! tests/errors/unknown_tensor_is_said_once.td:8:30: error[E0301]: unknown name 'xx'
#!     8 |   y[b,f] = x[b,n] * w[n,f] + xx[b,f] + w[f]
#!       |                              ^^
#! tests/errors/unknown_tensor_is_said_once.td:8:41: error[E0203]: w has 2 axes [l, f], but 1 index is given
#!     8 |   y[b,f] = x[b,n] * w[n,f] + xx[b,f] + w[f]
#!       |                                         ^
#!    note: tests/errors/unknown_tensor_is_said_once.td:7:14: w is defined here
