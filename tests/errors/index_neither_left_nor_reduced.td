op f(x[b,l], y[b,l]) -> z[b] {
  z[b] = x[b,l] + y[b,l]
}
op g(x[b,l]) -> z[b] {
  z[b] = x[b,l]^2
}
op h(x[b,l]) -> z {
  z = x[b,l]
}
#! tests/errors/index_neither_left_nor_reduced.td:2:14: error[E0226]: index 'l' is neither on the left nor reduced
#!     2 |   z[b] = x[b,l] + y[b,l]
#!       |              ^
#!    hint: only a pure product sums its free indices by itself; write sum[l](...) where the sum is meant
#! tests/errors/index_neither_left_nor_reduced.td:5:14: error[E0226]: index 'l' is neither on the left nor reduced
#!     5 |   z[b] = x[b,l]^2
#!       |              ^
#!    hint: only a pure product sums its free indices by itself; write sum[l](...) where the sum is meant
#! tests/errors/index_neither_left_nor_reduced.td:8:9: error[E0226]: index 'b' is neither on the left nor reduced
#!     8 |   z = x[b,l]
#!       |         ^
#!    hint: give the left side indices, or write sum[b](...)
