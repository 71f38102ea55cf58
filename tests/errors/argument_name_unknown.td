op f(x, slope = 0.1) -> y = x * slope
op g(a) -> b = f(a, slop = 0.2)
op h(a) -> b = f(a, x = 2)
#! tests/errors/argument_name_unknown.td:2:21: error[E0310]: 'f' has no parameter 'slop'
#!     2 | op g(a) -> b = f(a, slop = 0.2)
#!       |                     ^^^^^^^^^^
#!    hint: did you mean 'slope'?
#! tests/errors/argument_name_unknown.td:3:21: error[E0310]: 'x' is given twice
#!     3 | op h(a) -> b = f(a, x = 2)
#!       |                     ^^^^^
