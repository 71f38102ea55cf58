use nn
dim B = 2, D = 3
# about gates
expect W0903 "one gate, on purpose"
op gates(x[B,D], w[D,1]) -> p[B,1] {
  z[b,k in 1] = sum[d](x[b,d] * w[d,k])
  p[b,k in 1] = softmax[k](z[b,k])
}
op g2(x[B,D], w[D,1]) -> p[B,1] {
  z[b,k in 1] = sum[d](x[b,d] * w[d,k]);  expect W0904 "hm"  # not here
  # why
  expect   W0903 "and \"here\""   # trailing
  expect W0905 "nothing"
  p[b,k in 1] = softmax[k](z[b,k])
}
op g3(x[B,D], w[D,1]) -> p[B,1] { expect = 3.0; z[b,k in 1] = expect * sum[d](x[b,d] * w[d,k]); expect W0903 "r"; p[b,k in 1] = softmax[k](z[b,k]) }
#= use nn
#= dim B = 2, D = 3
#= # about gates
#= expect W0903 "one gate, on purpose"
#= op gates(x[B,D], w[D,1]) -> p[B,1] {
#=   z[b, k in 1] = sum[d](x[b,d] * w[d,k])
#=   p[b, k in 1] = softmax[k](z[b,k])
#= }
#= op g2(x[B,D], w[D,1]) -> p[B,1] {
#=   z[b, k in 1] = sum[d](x[b,d] * w[d,k])
#=   expect W0904 "hm"  # not here
#=   # why
#=   expect W0903 "and \"here\""  # trailing
#=   expect W0905 "nothing"
#=   p[b, k in 1] = softmax[k](z[b,k])
#= }
#= op g3(x[B,D], w[D,1]) -> p[B,1] {
#=   expect = 3.0
#=   z[b, k in 1] = expect * sum[d](x[b,d] * w[d,k])
#=   expect W0903 "r"
#=   p[b, k in 1] = softmax[k](z[b,k])
#= }
