op f(x[b,k]) -> y[b] {
  y[b] = softmax[k](x[b,k])
}
#! tests/errors/softmax_index_reduced.td:2:10: error[E0219]: softmax keeps its index 'k', which the statement does not have
#!     2 |   y[b] = softmax[k](x[b,k])
#!       |          ^^^^^^^
#!    hint: give it to the left side: p[.., k] = softmax[k](...)
