op f(x[b,d], w[d,f]) -> y[b,f] = x @ w
#! tests/errors/product_with_at.td:1:36: error[E0107]: expected the end of the line before '@'
#!     1 | op f(x[b,d], w[d,f]) -> y[b,f] = x @ w
#!       |                                    ^
#!    hint: a product sums over the index that is not on the left: y[m,k] = x[m,n] * w[n,k]
