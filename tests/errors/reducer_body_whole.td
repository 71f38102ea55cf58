op f(x[b,l]) -> y[b] {
  y[b] = sum[l](x)
}
#! tests/errors/reducer_body_whole.td:2:17: error[E0206]: the body of 'sum' still has the axes [b, l]
#!     2 |   y[b] = sum[l](x)
#!       |                 ^
#!    hint: index every tensor in it
