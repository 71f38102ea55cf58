dim D = 6
op wider(x[D]) -> p[5] { p[w in 5] = softmax[w in 2](x[w]) }
op after(x[D]) -> p[2] { p[w] = x[w] * softmax[w in 2](x[w]) }
op shifted(x[D]) -> p[3] { p[w in 3] = softmax[w in 2 : 5](x[w]) }
op late(x[D]) -> p[3] { p[w] = softmax[w in 2 : 5](x[w]) }
#! tests/errors/softmax_range.td:2:46: error[E0204]: index 'w' has two extents: w = 5 and w = 2
#!     2 | op wider(x[D]) -> p[5] { p[w in 5] = softmax[w in 2](x[w]) }
#!       |                            ^^^^^^            ^^^^^^
#!       |                            w runs over 5 values
#!       |                                              w runs over 2 values
#!    hint: softmax keeps its index, so it is the statement's own; write its range once, on the left: w in 2
#! tests/errors/softmax_range.td:3:48: error[E0204]: index 'w' has two extents: D = 6 and w = 2
#!     3 | op after(x[D]) -> p[2] { p[w] = x[w] * softmax[w in 2](x[w]) }
#!       |                                   ^            ^^^^^^
#!       |                                   D = 6 (x, axis 1, line 3)
#!       |                                                w runs over 2 values
#!    hint: softmax keeps its index, so it is the statement's own; write its range once, on the left: w in 2
#! tests/errors/softmax_range.td:4:48: error[E0204]: index 'w' has two extents: w = 3 and 2 : 5
#!     4 | op shifted(x[D]) -> p[3] { p[w in 3] = softmax[w in 2 : 5](x[w]) }
#!       |                              ^^^^^^            ^^^^^^^^^^
#!       |                              w runs over 3 values
#!       |                                                w runs over 3 values
#!    hint: softmax keeps its index, so it is the statement's own; write its range once, on the left: w in 3
#! tests/errors/softmax_range.td:5:27: error[E0208]: a range on the left starts at 0: position 0 of the axis is index 0
#!     5 | op late(x[D]) -> p[3] { p[w] = softmax[w in 2 : 5](x[w]) }
#!       |                           ^
