precision { product split6  product split3 }
#! tests/errors/precision_product_twice.td:1:29: error[E0403]: a second 'product'
#!     1 | precision { product split6  product split3 }
#!       |                             ^^^^^^^
#!    note: tests/errors/precision_product_twice.td:1:13: the first is here
