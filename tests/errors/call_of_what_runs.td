dim B = 2
data text { source "../models/verse.txt" }
dim V = text.vocab
loss main(x: id<V>[B,4]) { minimize 1.0 }
op f(x: id<V>[b,l]) -> y = main(x)
schedule noise[4] { beta[t] = 0.1 }
op g(t: id<4>[b]) -> y[b] { y = noise(t) }
#! tests/errors/call_of_what_runs.td:5:28: error[E0312]: a loss is not called; it is what `tdc` runs
#!     5 | op f(x: id<V>[b,l]) -> y = main(x)
#!       |                            ^^^^^^^
#! tests/errors/call_of_what_runs.td:7:33: error[E0312]: 'noise' is not a function
#!     7 | op g(t: id<4>[b]) -> y[b] { y = noise(t) }
#!       |                                 ^^^^^
#!    note: tests/errors/call_of_what_runs.td:6:10: it is given here
