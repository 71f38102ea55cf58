op f(x) -> y {
  for i = 0 : 3 { y = x }
  for i of 3 { y = x }
  for 3 { y = x }
  y = ]
}
#! tests/errors/for_without_in.td:2:9: error[E0107]: expected 'in' before '='
#!     2 |   for i = 0 : 3 { y = x }
#!       |         ^
#!    hint: a loop runs over a range: for i in 0 : N
#! tests/errors/for_without_in.td:3:9: error[E0107]: expected 'in' before 'of'
#!     3 |   for i of 3 { y = x }
#!       |         ^^
#! tests/errors/for_without_in.td:4:7: error[E0107]: expected a name before '3'
#!     4 |   for 3 { y = x }
#!       |       ^
#! tests/errors/for_without_in.td:5:7: error[E0107]: expected an expression before ']'
#!     5 |   y = ]
#!       |       ^
