use "no_such_blocks.td"
#! tests/errors/file_missing.td:1:1: error[E0305]: cannot read tests/errors/no_such_blocks.td: No such file or directory
#!     1 | use "no_such_blocks.td"
#!       | ^^^^^^^^^^^^^^^^^^^^^^^
