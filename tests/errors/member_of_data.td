data text { source "../models/verse.txt" }
dim V = text.vocabulary
op f(x[b]) -> y[b] = x[b] * text.vocb
#! tests/errors/member_of_data.td:2:14: error[E0303]: data 'text' has no member 'vocabulary'
#!     2 | dim V = text.vocabulary
#!       |              ^^^^^^^^^^
#!    hint: it has vocab, unigram[v] and entropy
#! tests/errors/member_of_data.td:3:34: error[E0303]: data 'text' has no member 'vocb'
#!     3 | op f(x[b]) -> y[b] = x[b] * text.vocb
#!       |                                  ^^^^
#!    hint: did you mean 'vocab'?
