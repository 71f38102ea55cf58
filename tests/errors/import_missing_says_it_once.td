use "no_such_blocks.td"
op f(x[b]) -> y[b] { y = residual(x) + mystery }
#! tests/errors/import_missing_says_it_once.td:1:1: error[E0305]: cannot read tests/errors/no_such_blocks.td: No such file or directory
#!     1 | use "no_such_blocks.td"
#!       | ^^^^^^^^^^^^^^^^^^^^^^^
