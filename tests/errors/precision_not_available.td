precision { act f16 }
op f(x[b]) -> y[b] = 2 * x[b]
#! tests/errors/precision_not_available.td:1:17: error[E0414]: 'act' is not stored as 'f16'; activations are f32 or bf16
#!     1 | precision { act f16 }
#!       |                 ^^^
#!    hint: act f32 or act bf16
