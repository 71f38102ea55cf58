op f(x[i]) -> y {
  y = sum[i in 0](x[i])
  y = sum[i 3](x[i])
  y = x[i:3]
  y = x[,]
}
#! tests/errors/index_list_broken.td:3:13: error[E0107]: expected ',' or ']' before '3'
#!     3 |   y = sum[i 3](x[i])
#!       |             ^
#! tests/errors/index_list_broken.td:4:10: error[E0107]: expected ',' or ']' before ':'
#!     4 |   y = x[i:3]
#!       |          ^
#!    hint: an index with a range reads a part: y[i in 2] = b[i + 1]
#! tests/errors/index_list_broken.td:5:9: error[E0107]: expected an expression or ']' before ','
#!     5 |   y = x[,]
#!       |         ^
