data text { source "../models/verse.txt"  split 0.8  split 0.9 }
#! tests/errors/data_settings_twice.td:1:54: error[E0403]: a second 'split'
#!     1 | data text { source "../models/verse.txt"  split 0.8  split 0.9 }
#!       |                                                      ^^^^^
#!    note: tests/errors/data_settings_twice.td:1:43: the first is here
