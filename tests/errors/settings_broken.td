train { loss main  adam(lr = 1e-4  batch B
  steps 100 }
data text { source = "a" }
precision { act [3] }
#! tests/errors/settings_broken.td:1:36: error[E0107]: expected ')' or ',' before 'batch'
#!     1 | train { loss main  adam(lr = 1e-4  batch B
#!       |                                    ^^^^^
#! tests/errors/settings_broken.td:3:20: error[E0107]: expected a setting or '}' before '='
#!     3 | data text { source = "a" }
#!       |                    ^
#! tests/errors/settings_broken.td:4:17: error[E0107]: expected a setting or '}' before '['
#!     4 | precision { act [3] }
#!       |                 ^
