op f(x[i,j]) -> y {
  y = argmax[i,j](x[i,j])
}
#! tests/errors/argmax_of_two_indices.td:2:7: error[E0217]: 'argmax' runs over exactly one index, not 2: its value is a position
#!     2 |   y = argmax[i,j](x[i,j])
#!       |       ^^^^^^
#!    hint: reduce the others first: argmax[i](max[j](x[i,j]))
