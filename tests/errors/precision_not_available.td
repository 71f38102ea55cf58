precision { act bf16 }
op f(x[b]) -> y[b] = 2 * x[b]
#! tests/errors/precision_not_available.td:1:17: error[E0414]: storage type 'bf16' is not available; everything is stored and computed in f32
#!     1 | precision { act bf16 }
#!       |                 ^^^^
#!    hint: act f32
