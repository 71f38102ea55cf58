dim D = 4
op gram(x[b,d], w[D,D]) -> y[b,d] {
  y = x + w
}
op both(w[D,D], u[D]) -> y[D,D] {
  y = w * u
}
#! tests/errors/axis_twice.td:3:9: error[E0213]: these tensors do not share their axes: x is [b, d] and w is [D, D]
#!     3 |   y = x + w
#!       |         ^
#!    hint: axes are aligned by name, and one operand must have them all; write the statement with indices to say what is meant
#!    note: tests/errors/axis_twice.td:2:9: x is defined here
#!    note: tests/errors/axis_twice.td:2:17: w is defined here
#! tests/errors/axis_twice.td:6:9: error[E0212]: w has the axis D twice, so whole-tensor arithmetic cannot tell which one is meant
#!     6 |   y = w * u
#!       |         ^
#!    hint: write it with indices, or give one of them another identity: axis D2 = D
