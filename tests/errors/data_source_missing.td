data text { tokens chars }
data other { source "no_such_text.txt" }
dim V = other.vocab, W = text.vocab
op f(x: id<V>[b]) -> y[b] = real(x[b])
#! tests/errors/data_source_missing.td:1:6: error[E0410]: data 'text' names no source
#!     1 | data text { tokens chars }
#!       |      ^^^^
#!    hint: source "tiny_shakespeare", or a path
#! tests/errors/data_source_missing.td:2:6: error[E0401]: cannot read no_such_text.txt: No such file or directory
#!     2 | data other { source "no_such_text.txt" }
#!       |      ^^^^^
