op f(x: id<9>[b]) -> y[b] = x[b] == 'a' ? 1 : 0
#! tests/errors/character_of_no_text.td:1:37: error[E0427]: there is no text that 'a' could be a symbol of
#!     1 | op f(x: id<9>[b]) -> y[b] = x[b] == 'a' ? 1 : 0
#!       |                                     ^^^
#!    hint: declare one: data text { source "..." }
