dim B = 4, C = 6, Z = 3
op encode(x[b,Z]) -> mu[c,Z], var[c,Z], first[b], last[C] {
  mu = 2 * x
  var = x * x
  first[b] = x[b,0]
  last[b] = x[b,2]
}
model it(x[B,Z], y[C,Z]) -> z[B] {
  mu, var, z, last = encode(x)
}
op same(x[B], y[C]) -> u[C], v[C], w[B] { u = x; v = 2 * x; w = y }
#! tests/errors/results_of_one_wrong_axis.td:2:51: error[E0221]: axis 1 of the result 'last' should be C = 6 and is B = 4
#!     2 | op encode(x[b,Z]) -> mu[c,Z], var[c,Z], first[b], last[C] {
#!       |                                                   ^^^^^^^
#!    note: tests/errors/results_of_one_wrong_axis.td:9:22: in this use of 'encode'
#!    note: tests/errors/results_of_one_wrong_axis.td:8:7: in this use of 'it'
#!    note: tests/errors/results_of_one_wrong_axis.td:6:3: 'last' gets its value here
#! tests/errors/results_of_one_wrong_axis.td:11:24: error[E0221]: axis 1 of the result 'u' should be C = 6 and is B = 4
#!    11 | op same(x[B], y[C]) -> u[C], v[C], w[B] { u = x; v = 2 * x; w = y }
#!       |                        ^^^^
#!    note: tests/errors/results_of_one_wrong_axis.td:11:43: 'u' gets its value here
#! tests/errors/results_of_one_wrong_axis.td:11:36: error[E0221]: axis 1 of the result 'w' should be B = 4 and is C = 6
#!    11 | op same(x[B], y[C]) -> u[C], v[C], w[B] { u = x; v = 2 * x; w = y }
#!       |                                    ^^^^
#!    note: tests/errors/results_of_one_wrong_axis.td:11:61: 'w' gets its value here
