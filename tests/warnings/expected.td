use nn
dim B = 2, D = 3
expect W0903 "one gate: a choice of one, written like the others"
op gate(x[B,D], w[D,1]) -> p[B,1] {
  z[b, k in 1] = sum[d](x[b,d] * w[d,k])
  p[b, k in 1] = softmax[k](z[b,k])
}
op inside(x[B,D], w[D,1]) -> p[B,1] {
  z[b, k in 1] = sum[d](x[b,d] * w[d,k])
  expect W0903 "the same, said where it stands"
  expect W0904 "nothing is left on purpose"
  p[b, k in 1] = softmax[k](z[b,k]) + sum[j in 3 | j > 5](x[b,0])
}
op other(x[B,D], w[D,1]) -> p[B,1] {
  expect = 2.0  # a name like any other
  expect W0903 "not of this statement"
  z[b, k in 1] = expect * sum[d](x[b,d] * w[d,k])
  p[b, k in 1] = softmax[k](z[b,k])
}
#! tests/warnings/expected.td:16:3: warning[W0908]: W0903 is expected, and does not come
#!    16 |   expect W0903 "not of this statement"
#!       |   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
#!    hint: nothing here needs that answer any more: the line can go
#! tests/warnings/expected.td:18:18: warning[W0903]: softmax over one element is 1 whatever the element is
#!    18 |   p[b, k in 1] = softmax[k](z[b,k])
#!       |                  ^^^^^^^
#! tests/warnings/expected.td: 2 warnings
