op f(x) -> a, b = x
op g(x) -> y: id<3> = x
#! tests/errors/equation_needs_one_result.td:1:17: error[E0115]: the '=' form needs exactly one result, with no type
#!     1 | op f(x) -> a, b = x
#!       |                 ^
#!    hint: write op f(...) -> y[i] = ...
#! tests/errors/equation_needs_one_result.td:2:21: error[E0115]: the '=' form needs exactly one result, with no type
#!     2 | op g(x) -> y: id<3> = x
#!       |                     ^
#!    hint: write op g(...) -> y[i] = ...
