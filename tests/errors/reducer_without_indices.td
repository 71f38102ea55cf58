op f(x[i]) -> y {
  y = sum(x)
}
#! tests/errors/reducer_without_indices.td:2:7: error[E0218]: the reducer 'sum' must say over which indices
#!     2 |   y = sum(x)
#!       |       ^^^
#!    hint: axes have names, not numbers: y = sum[i](x[i])
