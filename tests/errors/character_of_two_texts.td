data text { source "../models/verse.txt" }
data more { source "../models/verse.txt" }
op f(x: id<9>[b]) -> y[b] = x[b] == 'a' ? 1 : 0
#! tests/errors/character_of_two_texts.td:3:37: error[E0427]: 'a' may be a symbol of data 'text' or of data 'more'
#!     3 | op f(x: id<9>[b]) -> y[b] = x[b] == 'a' ? 1 : 0
#!       |                                     ^^^
#!    hint: where there are several texts, symbols have numbers alone
