dim B = 4
model remainder(x[B], j: id<4>[B], k: id<5>[B]) -> y[B] { y[b] = x[b] + j[b] % k[b] }
model quotient(x[B], k: id<5>[B]) -> y[B] { y[b] = x[b / (k[b] - 2)] }
model guarded(x[B], k: id<5>[B]) -> y[B] {
  y[b] = k[b] != 0 ? x[b / k[b]] : k[b] - 2 != 0 ? x[b] + b % (k[b] - 2) : x[b / max(1, k[b])]
}
#! tests/errors/divisor_may_be_zero.td:2:78: error[E0211]: nothing proves that this divisor is not 0
#!     2 | model remainder(x[B], j: id<4>[B], k: id<5>[B]) -> y[B] { y[b] = x[b] + j[b] % k[b] }
#!       |                                                                              ^
#!    hint: max(1, d) keeps it positive; or guard the division: d != 0 ? x / d : 0
#!    note: tests/errors/divisor_may_be_zero.td:2:7: in this use of 'remainder'
#! tests/errors/divisor_may_be_zero.td:3:56: error[E0211]: nothing proves that this divisor is not 0
#!     3 | model quotient(x[B], k: id<5>[B]) -> y[B] { y[b] = x[b / (k[b] - 2)] }
#!       |                                                        ^
#!    hint: max(1, d) keeps it positive; or guard the division: d != 0 ? x / d : 0
#!    note: tests/errors/divisor_may_be_zero.td:3:7: in this use of 'quotient'
