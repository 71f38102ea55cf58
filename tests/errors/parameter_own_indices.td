dim D = 3, K = 4
schedule noise[K] { beta[k] = lerp(0.1, 0.2, k / K) }
param a[4] = noise.beta[k]
param b[i in D, i in K] = i
param c[4] = sum[n](1.0 * n)
param e[D,D] = d
model net(x[D]) -> y[D] { y[d] = x[d] * (a[d] + b[d,0] + c[d] + e[d,d]) }
#! tests/errors/parameter_own_indices.td:3:25: error[E0226]: index 'k' is neither on the left nor reduced
#!     3 | param a[4] = noise.beta[k]
#!       |                         ^
#!    hint: write sum[k](...), or give an axis of the left that name
#! tests/errors/parameter_own_indices.td:4:17: error[E0207]: index 'i' stands here twice
#!     4 | param b[i in D, i in K] = i
#!       |                 ^^^^^^
#! tests/errors/parameter_own_indices.td:5:18: error[E0202]: nothing says how far index 'n' runs
#!     5 | param c[4] = sum[n](1.0 * n)
#!       |                  ^
#!    hint: say it where the index is reduced: sum[n in 8](...), with a number or a dim
#! tests/errors/parameter_own_indices.td:6:16: error[E0301]: unknown name 'd'
#!     6 | param e[D,D] = d
#!       |                ^
