const a = 1
}
const b = 2 3
#! tests/errors/brace_closes_nothing.td:2:1: error[E0108]: this '}' closes nothing
#!     2 | }
#!       | ^
#! tests/errors/brace_closes_nothing.td:3:13: error[E0107]: expected the end of the line before '3'
#!     3 | const b = 2 3
#!       |             ^
