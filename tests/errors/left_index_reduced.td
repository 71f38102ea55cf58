dim B = 2, D = 4
op f(x[B,D]) -> y[B,D] {
  y[b,d] = sum[d](x[b,d])
}
op g(x[B,D]) -> k[B,D], m[B,D] {
  k[b,d in D] = argmax[d | d < extent(d) / 2](x[b,d])
  m[b,d] = x[b,d] - mean[d](x[b,d])
}
#! tests/errors/left_index_reduced.td:3:7: error[E0228]: index 'd' stands on the left, but 'sum' reduces it
#!     3 |   y[b,d] = sum[d](x[b,d])
#!       |       ^    ^^^
#!       |       one number for each d
#!       |            one number for all d
#!    hint: take d off the left side; or, if the same number is meant for each, reduce over another name: sum[d2](...)
#! tests/errors/left_index_reduced.td:6:7: error[E0228]: index 'd' stands on the left, but 'argmax' reduces it
#!     6 |   k[b,d in D] = argmax[d | d < extent(d) / 2](x[b,d])
#!       |       ^^^^^^    ^^^^^^
#!       |       one number for each d
#!       |                 one number for all d
#!    hint: take d off the left side; or, if the same number is meant for each, reduce over another name: argmax[d2](...)
