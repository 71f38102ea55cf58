op f(x[b]) -> y[b] = x[b + 1 else x > 0]
op g(k: id<5>[b]) -> y[b] = real(k[b + 1 else 0.5])
#! tests/errors/else_type.td:1:35: error[E0206]: what is read outside is one number, this has the axes [b]
#!     1 | op f(x[b]) -> y[b] = x[b + 1 else x > 0]
#!       |                                   ^^^^^
#! tests/errors/else_type.td:2:34: error[E0307]: the value after 'else' is real, k holds int
#!     2 | op g(k: id<5>[b]) -> y[b] = real(k[b + 1 else 0.5])
#!       |                                  ^^^^^^^^^^^^^^^^^
