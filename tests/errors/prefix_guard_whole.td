op f(x[i], n[i]) -> y[i] {
  y[i] = sum[k <= n](x[k])
}
#! tests/errors/prefix_guard_whole.td:2:14: error[E0307]: a reducer's prefix compares its index with one number, this has the axes [i]
#!     2 |   y[i] = sum[k <= n](x[k])
#!       |              ^^^^^^
