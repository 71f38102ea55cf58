op f(x[i,j]) -> y[i] {
  y[i] = sum[k,k](x[i,k])
}
op diagonal(x[i,i]) -> y[i,i] {
  y[i,i] = x[i,i]
}
#! tests/errors/index_twice.td:2:16: error[E0207]: index 'k' stands here twice
#!     2 |   y[i] = sum[k,k](x[i,k])
#!       |                ^
#! tests/errors/index_twice.td:5:7: error[E0207]: index 'i' stands here twice
#!     5 |   y[i,i] = x[i,i]
#!       |       ^
