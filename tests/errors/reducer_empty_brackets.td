op f(x[n]) -> y { y = sum[](x[0]) }
op g(x[n]) -> y[n] { y[l] = sum[ | l < 2](x[l]) }
op h(x[n]) -> p[n] { p[l] = softmax[](x[l]) }
#! tests/errors/reducer_empty_brackets.td:1:23: error[E0218]: the reducer 'sum' must say over which indices
#!     1 | op f(x[n]) -> y { y = sum[](x[0]) }
#!       |                       ^^^
#!    hint: sum[i](x[i])
#! tests/errors/reducer_empty_brackets.td:2:29: error[E0218]: the reducer 'sum' must say over which indices
#!     2 | op g(x[n]) -> y[n] { y[l] = sum[ | l < 2](x[l]) }
#!       |                             ^^^
#!    hint: sum[i](x[i])
#! tests/errors/reducer_empty_brackets.td:3:29: error[E0218]: the reducer 'softmax' must say over which indices
#!     3 | op h(x[n]) -> p[n] { p[l] = softmax[](x[l]) }
#!       |                             ^^^^^^^
#!    hint: softmax[i](x[i])
