op f(x[b]) -> y[b] = x[b] / extent(x)
#! tests/errors/extent_of_nothing.td:1:29: error[E0310]: 'extent' takes the name of an index or a dim
#!     1 | op f(x[b]) -> y[b] = x[b] / extent(x)
#!       |                             ^^^^^^^^^
#!    hint: of an axis of x: name the axis in the header or by an index
