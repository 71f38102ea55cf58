dim B = 2
op f(x[B]) -> z[b,d] {
  u[b,d in 4] = x[b]
  v[b,d in 5] = x[b]
  z = u + v
}
#! tests/errors/axis_two_extents.td:5:9: error[E0204]: axis 'd' has two extents: 4 and 5
#!     5 |   z = u + v
#!       |         ^
#!    note: tests/errors/axis_two_extents.td:3:3: u is [B, d]
#!    note: tests/errors/axis_two_extents.td:4:3: v is [B, d]
