use nn
dim B = 2, D = 4
op f(input[B,D]) -> y[B,D] {
  n = layernrom(inptu)
  y = n + bias
}
block g(x[B,D]) -> y[B,D] {
  y = layernrom(x)
}
#! tests/errors/name_unknown.td:4:7: error[E0301]: unknown function 'layernrom'
#!     4 |   n = layernrom(inptu)
#!       |       ^^^^^^^^^
#!    hint: did you mean 'layernorm'?
#! tests/errors/name_unknown.td:4:17: error[E0301]: unknown name 'inptu'
#!     4 |   n = layernrom(inptu)
#!       |                 ^^^^^
#!    hint: did you mean 'input'?
#! tests/errors/name_unknown.td:5:11: error[E0301]: unknown name 'bias'
#!     5 |   y = n + bias
#!       |           ^^^^
#! tests/errors/name_unknown.td:8:7: error[E0301]: unknown function 'layernrom'
#!     8 |   y = layernrom(x)
#!       |       ^^^^^^^^^
#!    hint: did you mean 'layernorm'?
