op f(x) -> y { @recompte h = x; y = h }
op g(x) -> y { @keep h = x; y = h }
#! tests/errors/attribute_unknown.td:1:17: error[E0117]: unknown attribute '@recompte'
#!     1 | op f(x) -> y { @recompte h = x; y = h }
#!       |                 ^^^^^^^^
#!    hint: did you mean @recompute?
#! tests/errors/attribute_unknown.td:2:17: error[E0117]: unknown attribute '@keep'
#!     2 | op g(x) -> y { @keep h = x; y = h }
#!       |                 ^^^^
#!    hint: the attributes are @save and @recompute
