# Activations in bf16 have no parts.
precision {
  act bf16
  product split6
}
#! tests/errors/precision_product_of_bf16.td:3:7: error[E0414]: activations in bf16 are multiplied in bf16, not as 'split6'
#!     3 |   act bf16
#!       |       ^^^^
#!    hint: act f32, or no 'product'
