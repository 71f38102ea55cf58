dim N = 4
const a = sum[i in N](i * i)
const b = sum[i in N](i * k)
const c = sum[i](i)
dim M = sum[i in N](1)
op f(x[M]) -> y[M] = x
#! tests/errors/reducer_outside_a_statement.td:2:11: error[E0308]: a number known at compile time is needed here
#!     2 | const a = sum[i in N](i * i)
#!       |           ^^^^^^^^^^^^^^^^^^
#! tests/errors/reducer_outside_a_statement.td:3:27: error[E0301]: unknown name 'k'
#!     3 | const b = sum[i in N](i * k)
#!       |                           ^
#! tests/errors/reducer_outside_a_statement.td:4:15: error[E0202]: nothing says how far index 'i' runs
#!     4 | const c = sum[i](i)
#!       |               ^
#!    hint: say it where the index is reduced: sum[i in 8](...), with a number or a dim
#! tests/errors/reducer_outside_a_statement.td:5:9: error[E0201]: an extent must be known at compile time
#!     5 | dim M = sum[i in N](1)
#!       |         ^^^^^^^^^^^^^^
