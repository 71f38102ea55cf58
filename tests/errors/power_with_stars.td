op f(x) -> y { y = x ** 2 }
#! tests/errors/power_with_stars.td:1:23: error[E0107]: expected an expression before '*'
#!     1 | op f(x) -> y { y = x ** 2 }
#!       |                       ^
#!    hint: a power is written x^2
