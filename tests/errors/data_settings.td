data a { sauce "../models/verse.txt" }
data b { source "../models/verse.txt" tokens character }
data c { source "../models/verse.txt" split 1.5 }
data d { source "../models/verse.txt" seed }
data e { source verse }
#! tests/errors/data_settings.td:1:10: error[E0409]: 'data' has no setting 'sauce'
#!     1 | data a { sauce "../models/verse.txt" }
#!       |          ^^^^^
#! tests/errors/data_settings.td:2:46: error[E0410]: tokens are chars, bytes or ascii
#!     2 | data b { source "../models/verse.txt" tokens character }
#!       |                                              ^^^^^^^^^
#! tests/errors/data_settings.td:3:45: error[E0411]: 'split' must be a number between 0.01 and 0.99, this is 1.5
#!     3 | data c { source "../models/verse.txt" split 1.5 }
#!       |                                             ^^^
#! tests/errors/data_settings.td:4:39: error[E0410]: 'seed' needs a number after it
#!     4 | data d { source "../models/verse.txt" seed }
#!       |                                       ^^^^
#! tests/errors/data_settings.td:5:17: error[E0410]: 'source' needs a path or the name of a corpus, in quotes
#!     5 | data e { source verse }
#!       |                 ^^^^^
