precision { product split4 }
#! tests/errors/precision_product.td:1:21: error[E0414]: products are not made as 'split4'; 'product' is f32, fma, split6, split3 or bf16
#!     1 | precision { product split4 }
#!       |                     ^^^^^^
#!    hint: did you mean 'split6'?
