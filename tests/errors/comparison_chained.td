op f(i, L) -> y { y = 0 <= i < L ? 1 : 0 }
op g(a, b) -> y { y = a == b == a }
op h(a, b) -> y { y = (a < b) == (b < a) }
#! tests/errors/comparison_chained.td:1:30: error[E0111]: comparisons do not chain
#!     1 | op f(i, L) -> y { y = 0 <= i < L ? 1 : 0 }
#!       |                              ^
#!    hint: write a <= b && b < c
#! tests/errors/comparison_chained.td:2:30: error[E0111]: comparisons do not chain
#!     2 | op g(a, b) -> y { y = a == b == a }
#!       |                              ^^
#!    hint: write a == b && b == c
