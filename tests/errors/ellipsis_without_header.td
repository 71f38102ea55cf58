op f(x[b,l]) -> y[b,l] {
  y[...] = x[...]
}
#! tests/errors/ellipsis_without_header.td:2:5: error[E0210]: '...' stands for axes that the header names with '...'; this one has none
#!     2 |   y[...] = x[...]
#!       |     ^^^
