dim B = 4, L = 8
op total(x[B,L]) -> y[B] {
  y[b] = sum[l](x[l])
}
#! tests/errors/index_count.td:3:18: error[E0203]: x has 2 axes [B, L], but 1 index is given
#!     3 |   y[b] = sum[l](x[l])
#!       |                  ^
#!    note: tests/errors/index_count.td:2:10: x is defined here
