op f(x, y) -> z = x + y
op g(a) -> b = f(a)
op h(a) -> b = f(a, a, a)
op p(a) -> b = exp(a, a) + min(a)
#! tests/errors/arguments_count.td:2:16: error[E0310]: 'f' needs 'y'
#!     2 | op g(a) -> b = f(a)
#!       |                ^^^^
#!    note: tests/errors/arguments_count.td:1:9: 'y' is declared here and has no default
#! tests/errors/arguments_count.td:3:16: error[E0310]: 'f' takes 2 arguments, but 3 are given
#!     3 | op h(a) -> b = f(a, a, a)
#!       |                ^^^^^^^^^^
#!    note: tests/errors/arguments_count.td:1:4: 'f' is declared here
#! tests/errors/arguments_count.td:4:16: error[E0310]: 'exp' takes 1 argument, but 2 are given
#!     4 | op p(a) -> b = exp(a, a) + min(a)
#!       |                ^^^^^^^^^
#! tests/errors/arguments_count.td:4:28: error[E0310]: 'min' takes 2 to 8 arguments, but 1 is given
#!     4 | op p(a) -> b = exp(a, a) + min(a)
#!       |                            ^^^^^^
