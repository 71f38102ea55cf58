dim L = 8
op f(x[L]) -> y[L] {
  y[l] = sum[k | k < 0](x[k])
}
op g(x[L]) -> y[L] {
  y[l] = max[k <= l | k > l](x[k])
}
op h(x[L]) -> y[L,L] {
  y[l,k] = softmax[k | k >= extent(l)](x[k])
}
#! tests/warnings/mask_removes_everything.td:3:18: warning[W0904]: this condition never holds: 'sum' has nothing left
#!     3 |   y[l] = sum[k | k < 0](x[k])
#!       |                  ^^^^^
#!    hint: compare the ranges of the indices
#! tests/warnings/mask_removes_everything.td:6:23: warning[W0904]: this condition never holds: 'max' has nothing left
#!     6 |   y[l] = max[k <= l | k > l](x[k])
#!       |                       ^^^^^
#!    hint: compare the ranges of the indices
#! tests/warnings/mask_removes_everything.td:9:24: warning[W0904]: this condition never holds: 'softmax' has nothing left
#!     9 |   y[l,k] = softmax[k | k >= extent(l)](x[k])
#!       |                        ^^^^^^^^^^^^^^
#!    hint: compare the ranges of the indices
#! tests/warnings/mask_removes_everything.td: 3 warnings
