dim A = 0
dim B = -3
dim C = 4294967296
#! tests/errors/extent_out_of_range.td:1:9: error[E0201]: an extent must lie in 1 .. 2^31, this is 0
#!     1 | dim A = 0
#!       |         ^
#! tests/errors/extent_out_of_range.td:2:9: error[E0201]: an extent must lie in 1 .. 2^31, this is -3
#!     2 | dim B = -3
#!       |         ^^
#! tests/errors/extent_out_of_range.td:3:9: error[E0201]: an extent must lie in 1 .. 2^31, this is 4294967296
#!     3 | dim C = 4294967296
#!       |         ^^^^^^^^^^
