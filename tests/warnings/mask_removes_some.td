# Near miss: the first row of a strictly causal mask is empty, the others are not.
dim L = 8
op f(x[L]) -> y[L] {
  y[l] = sum[k | k < l](x[k])
}
op g(x[L]) -> y[L,L] {
  y[l,k] = softmax[k | k < l](x[k])
}
#! tests/warnings/mask_removes_some.td: no errors
