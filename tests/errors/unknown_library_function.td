op f(x[b,d]) -> y[b,d] = softplus(x)
block g(x[b,d]) -> y[b,d] { y = layernorm(x) }
#! tests/errors/unknown_library_function.td:1:26: error[E0301]: unknown function 'softplus'
#!     1 | op f(x[b,d]) -> y[b,d] = softplus(x)
#!       |                          ^^^^^^^^
#!    hint: it is in the library: use nn
#! tests/errors/unknown_library_function.td:2:33: error[E0301]: unknown function 'layernorm'
#!     2 | block g(x[b,d]) -> y[b,d] { y = layernorm(x) }
#!       |                                 ^^^^^^^^^
#!    hint: it is in the library: use nn
