dim B = 2, L = 3, D = 4
op f(x[B,L], y[B,D]) -> z[B,L] {
  z = x + y
}
#! tests/errors/axes_not_shared.td:3:9: error[E0213]: these tensors do not share their axes: x is [B, L] and y is [B, D]
#!     3 |   z = x + y
#!       |         ^
#!    hint: axes are aligned by name, and one operand must have them all; write the statement with indices to say what is meant
#!    note: tests/errors/axes_not_shared.td:2:6: x is defined here
#!    note: tests/errors/axes_not_shared.td:2:14: y is defined here
