precision { product bf16 }
#! tests/errors/precision_product_bf16.td:1:21: error[E0414]: products are not made as 'bf16'; 'product' is f32, fma, split6 or split3
#!     1 | precision { product bf16 }
#!       |                     ^^^^
#!    hint: act bf16: activations in bf16 are multiplied so
