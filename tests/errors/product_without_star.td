op f(x, w) -> y { y = x w }
op g(x) -> y { y = 2 (x + 1) 3 }
#! tests/errors/product_without_star.td:1:25: error[E0107]: expected the end of the line before 'w'
#!     1 | op f(x, w) -> y { y = x w }
#!       |                         ^
#!    hint: a product is written with '*'
#! tests/errors/product_without_star.td:2:20: error[E0118]: only a name can be called
#!     2 | op g(x) -> y { y = 2 (x + 1) 3 }
#!       |                    ^
#!    hint: a product is written with '*'
#! tests/errors/product_without_star.td:2:30: error[E0107]: expected the end of the line before '3'
#!     2 | op g(x) -> y { y = 2 (x + 1) 3 }
#!       |                              ^
#!    hint: a product is written with '*'
