use nnn
use layers
#! tests/errors/library_unknown.td:1:1: error[E0304]: there is no library 'nnn'
#!     1 | use nnn
#!       | ^^^^^^^
#!    hint: did you mean 'nn'?
#! tests/errors/library_unknown.td:2:1: error[E0304]: there is no library 'layers'
#!     2 | use layers
#!       | ^^^^^^^^^^
#!    hint: a file of yours is imported by its path: use "layers.td"
