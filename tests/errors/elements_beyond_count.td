dim A = 2147483648
model whole(x[A,A,A,A]) -> y { y = x[0,0,0,0] }
op unused(x[A,A,A,A]) -> y { y = x[0,0,0,0] }
model steps(x[4]) -> y { y = sum[a in A, b in A, c in A](1) }
model rows(x[4]) -> y {
  for i in A { z = x } emit e[i,j,k in A] = z[j]
  y = e[0,0,0]
}
#! tests/errors/elements_beyond_count.td:2:13: error[E0216]: the input 'x' would have more than 2^40 elements: 2147483648 x 2147483648 x 2147483648 x 2147483648
#!     2 | model whole(x[A,A,A,A]) -> y { y = x[0,0,0,0] }
#!       |             ^^^^^^^^^^
#! tests/errors/elements_beyond_count.td:3:11: error[E0216]: 'x' would have more than 2^58 elements: 2147483648 x 2147483648 x 2147483648 x 2147483648
#!     3 | op unused(x[A,A,A,A]) -> y { y = x[0,0,0,0] }
#!       |           ^^^^^^^^^^
#! tests/errors/elements_beyond_count.td:4:30: error[E0216]: this reduction would take more than 2^63 steps
#!     4 | model steps(x[4]) -> y { y = sum[a in A, b in A, c in A](1) }
#!       |                              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
#!    note: tests/errors/elements_beyond_count.td:4:7: in this use of 'steps'
#! tests/errors/elements_beyond_count.td:6:29: error[E0216]: what this loop emits would have more than 2^40 elements: 2147483648 x 4 x 2147483648
#!     6 |   for i in A { z = x } emit e[i,j,k in A] = z[j]
#!       |                             ^^^^^^^^^^^^^
#!    note: tests/errors/elements_beyond_count.td:5:7: in this use of 'rows'
