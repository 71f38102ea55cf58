op f(x[b], n[]) -> y[b] {
  y[b] = sum[k in 0 : n](x[b])
}
const a = f
#! tests/errors/number_not_known.td:2:23: error[E0308]: a number known at compile time is needed here
#!     2 |   y[b] = sum[k in 0 : n](x[b])
#!       |                       ^
#! tests/errors/number_not_known.td:4:11: error[E0308]: a number known at compile time is needed here
#!     4 | const a = f
#!       |           ^
