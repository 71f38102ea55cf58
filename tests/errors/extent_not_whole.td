dim D = 385, H = 6
dim E = D / H
op f(x[E]) -> y[E] = x
#! tests/errors/extent_not_whole.td:2:9: error[E0201]: an extent must be a whole number, this is 64.1667
#!     2 | dim E = D / H
#!       |         ^^^^^
#!    hint: the division must come out even
