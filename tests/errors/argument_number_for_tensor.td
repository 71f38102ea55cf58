op f(x[i]) -> y[i] = 2 * x[i]
op g(a[k]) -> b[k] {
  b = a + f(3)
}
#! tests/errors/argument_number_for_tensor.td:3:13: error[E0222]: 'x' takes a tensor, and nothing says how large one made of this number would be
#!     3 |   b = a + f(3)
#!       |             ^
#!    note: tests/errors/argument_number_for_tensor.td:3:11: in this use of 'f'
#!    note: tests/errors/argument_number_for_tensor.td:1:6: 'x' of f is declared here
