data text { source "../models/verse.txt" }
dim B = 2, L = 4, V = text.vocab
const newline = '\n', none = '~'
op f(x: id<V>[b,l]) -> y[b] {
  y[b] = sum[l](x[b,l] == 'q' ? 1 : x[b,l] == 'Q' ? 2 : x[b,l] == '\xC3\xA9' ? 3 : 0)
}
#! tests/errors/character_no_symbol.td:3:30: error[E0427]: '~' is no symbol of data 'text'
#!     3 | const newline = '\n', none = '~'
#!       |                              ^^^
#!    hint: a text's symbols are the characters that occur in it, or its bytes
#! tests/errors/character_no_symbol.td:5:47: error[E0427]: 'Q' is no symbol of data 'text'
#!     5 |   y[b] = sum[l](x[b,l] == 'q' ? 1 : x[b,l] == 'Q' ? 2 : x[b,l] == '\xC3\xA9' ? 3 : 0)
#!       |                                               ^^^
#!    hint: it has 'q'
