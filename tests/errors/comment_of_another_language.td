const a = 1 // one
op f(x) -> y {
  /* twice */
  y = x + x
}
#! tests/errors/comment_of_another_language.td:1:14: error[E0107]: expected an expression before '/'
#!     1 | const a = 1 // one
#!       |              ^
#!    hint: a comment begins with #
#! tests/errors/comment_of_another_language.td:3:3: error[E0107]: expected a statement or '}' before '/'
#!     3 |   /* twice */
#!       |   ^
#!    hint: a comment begins with #
