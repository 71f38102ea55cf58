op f(x[i]) -> y {
  y = summ[i](x[i])
}
op g(x[i]) -> y {
  y = total[i](x[i])
}
#! tests/errors/reducer_unknown.td:2:7: error[E0218]: 'summ' is no reducer
#!     2 |   y = summ[i](x[i])
#!       |       ^^^^
#!    hint: did you mean 'sum'?
#! tests/errors/reducer_unknown.td:5:7: error[E0218]: 'total' is no reducer
#!     5 |   y = total[i](x[i])
#!       |       ^^^^^
#!    hint: reducers are sum max min prod mean any all argmax argmin logsumexp softmax categorical
