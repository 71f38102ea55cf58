op f(t: int[B]) -> y { y = t }
op g(t: id) -> y { y = t }
op h(t: id<3) -> y { y = t }
#! tests/errors/parameter_kind_unknown.td:1:9: error[E0116]: unknown kind of parameter 'int'
#!     1 | op f(t: int[B]) -> y { y = t }
#!       |         ^^^
#!    hint: write id<N> for whole numbers below N; a tensor needs only its brackets
#! tests/errors/parameter_kind_unknown.td:2:9: error[E0116]: unknown kind of parameter 'id'
#!     2 | op g(t: id) -> y { y = t }
#!       |         ^^
#!    hint: write id<N> for whole numbers below N; a tensor needs only its brackets
#! tests/errors/parameter_kind_unknown.td:3:13: error[E0107]: expected '>' before ')'
#!     3 | op h(t: id<3) -> y { y = t }
#!       |             ^
