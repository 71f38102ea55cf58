op f(x) { y = x }
op g(x) = x
model m(x) => y { y = x }
#! tests/errors/op_without_results.td:2:9: error[E0115]: the '=' form needs exactly one result, with no type
#!     2 | op g(x) = x
#!       |         ^
#!    hint: write op g(...) -> y[i] = ...
#! tests/errors/op_without_results.td:3:13: error[E0107]: expected an expression before '>'
#!     3 | model m(x) => y { y = x }
#!       |             ^
#!    hint: the arrow before the results is ->
