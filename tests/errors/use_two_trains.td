use "../models/causal.td"
use "../models/gru_lm.td"
#! tests/errors/use_two_trains.td:2:1: error[E0403]: a second 'train' comes with this file
#!     2 | use "../models/gru_lm.td"
#!       | ^^^^^^^^^^^^^^^^^^^^^^^^^
#!    hint: say which: with a 'train' of this file
#!    note: tests/errors/../models/causal.td:74:1: the first is here
#!    note: tests/errors/../models/gru_lm.td:39:1: the second is here
