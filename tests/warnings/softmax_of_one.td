dim B = 2, H = 1, D = 4
op gates(x[B,D], w[D,H]) -> p[B,H] {
  z[b,h] = x[b,d] * w[d,h]
  p[b,h] = softmax[h](z[b,h])
}
op pairs(x[B,D,H]) -> p[B,D,H] {
  p[b,d,h] = softmax[d,h](x[b,d,h])        # over D * H elements: fine
}
#! tests/warnings/softmax_of_one.td:4:12: warning[W0903]: softmax over one element is 1 whatever the element is
#!     4 |   p[b,h] = softmax[h](z[b,h])
#!       |            ^^^^^^^
#! tests/warnings/softmax_of_one.td: 1 warning
