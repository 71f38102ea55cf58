op f(x[i]) -> y[i] {
  y[i] = x[i | i > 0]
  z = x[i | i > 0].a + x[i | i > 1][j]
}
#! tests/errors/guard_outside_reducer.td:2:16: error[E0113]: a guard stands only in a reducer
#!     2 |   y[i] = x[i | i > 0]
#!       |                ^^^^^
#!       |                this condition guards a read
#!    hint: write condition ? x[i] : 0, or name[i | condition](body) to reduce
#! tests/errors/guard_outside_reducer.td:3:13: error[E0113]: a guard stands only in a reducer
#!     3 |   z = x[i | i > 0].a + x[i | i > 1][j]
#!       |             ^^^^^
#!       |             this condition guards a read
#!    hint: write condition ? x[i] : 0, or name[i | condition](body) to reduce
#! tests/errors/guard_outside_reducer.td:3:30: error[E0113]: a guard stands only in a reducer
#!     3 |   z = x[i | i > 0].a + x[i | i > 1][j]
#!       |                              ^^^^^
#!       |                              this condition guards a read
#!    hint: write condition ? x[i] : 0, or name[i | condition](body) to reduce
