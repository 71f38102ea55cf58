op f(x[i], y[j) -> z { z = x }
op g(x) -> y { y = (x + 1] }
#! tests/errors/bracket_mismatched.td:1:15: error[E0107]: expected ',' or ']' before ')'
#!     1 | op f(x[i], y[j) -> z { z = x }
#!       |               ^
#! tests/errors/bracket_mismatched.td:2:26: error[E0107]: expected ')' before ']'
#!     2 | op g(x) -> y { y = (x + 1] }
#!       |                          ^
