op f(x) -> y { y = (x)(3) }
op g(x) -> y { y = x[1](2)(3) }
#! tests/errors/call_of_a_value.td:1:20: error[E0118]: only a name can be called
#!     1 | op f(x) -> y { y = (x)(3) }
#!       |                    ^^^
#!    hint: a product is written with '*'
#! tests/errors/call_of_a_value.td:2:20: error[E0118]: only a name can be called
#!     2 | op g(x) -> y { y = x[1](2)(3) }
#!       |                    ^^^^^^^
#!    hint: a product is written with '*'
