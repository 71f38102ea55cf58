precision { act bf16 }
precision { act f32 }
op f(x[b]) -> y[b] = 2 * x[b]
#! tests/errors/precision_twice.td:2:1: error[E0403]: a second 'precision'
#!     2 | precision { act f32 }
#!       | ^^^^^^^^^^^^^^^^^^^^^
#!    note: tests/errors/precision_twice.td:1:1: the first is here
