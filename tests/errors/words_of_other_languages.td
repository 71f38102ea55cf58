use nn
dim B = 2, L = 4, D = 3, F = 5
op f(x[B,L,D], z[B,L,D], w[D,F]) -> y[B,L] {
  p0 = concat(x, z)
  p1 = where(x > 0, x, 0)
  p2 = reshape(x, B, L * D)
  p3 = x.view(B, L * D)
  p4 = nn.Linear(x, F)
  p5 = sum(x, dim=-1)
  p6 = x.mean(1)
  y = max(x, axis=2)
}
#! tests/errors/words_of_other_languages.td:4:8: error[E0301]: unknown function 'concat'
#!     4 |   p0 = concat(x, z)
#!       |        ^^^^^^
#!    hint: indices put one behind the other: y[i in M + N] = i < M ? a[i] : b[i - M]
#! tests/errors/words_of_other_languages.td:5:8: error[E0301]: unknown function 'where'
#!     5 |   p1 = where(x > 0, x, 0)
#!       |        ^^^^^
#!    hint: a choice is an expression: y[m] = a[m] > 0 ? a[m] : c[m]
#! tests/errors/words_of_other_languages.td:6:8: error[E0301]: unknown function 'reshape'
#!     6 |   p2 = reshape(x, B, L * D)
#!       |        ^^^^^^^
#!    hint: indices say where each element stands ('/' rounds down): y[i in M * N] = x[i / N, i % N]
#! tests/errors/words_of_other_languages.td:7:8: error[E0312]: only a name can be called
#!     7 |   p3 = x.view(B, L * D)
#!       |        ^^^^^^
#!    hint: indices say where each element stands ('/' rounds down): y[i in M * N] = x[i / N, i % N]
#! tests/errors/words_of_other_languages.td:8:8: error[E0312]: only a name can be called
#!     8 |   p4 = nn.Linear(x, F)
#!       |        ^^^^^^^^^
#!    hint: a layer is called with its input and its width (use nn): y = linear(x, K)
#! tests/errors/words_of_other_languages.td:9:8: error[E0218]: the reducer 'sum' must say over which indices
#!     9 |   p5 = sum(x, dim=-1)
#!       |        ^^^
#!    hint: axes have names, not numbers: y[b,l] = sum[d](x[b,l,d])
#! tests/errors/words_of_other_languages.td:10:8: error[E0312]: only a name can be called
#!    10 |   p6 = x.mean(1)
#!       |        ^^^^^^
#!    hint: axes have names, not numbers: y[b,d] = mean[l](x[b,l,d])
#! tests/errors/words_of_other_languages.td:11:14: error[E0310]: the arguments of 'max' have no names
#!    11 |   y = max(x, axis=2)
#!       |              ^^^^^^
#!    hint: axes have names, not numbers: y[b,l] = max[d](x[b,l,d])
