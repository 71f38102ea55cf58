loss main(x: id<V>[B,L]) { minimize 1.0 }
train { loss = main  adam(lr = 0.1)  steps 10 }
#! tests/errors/setting_with_equals.td:2:14: error[E0107]: expected a setting or '}' before '='
#!     2 | train { loss = main  adam(lr = 0.1)  steps 10 }
#!       |              ^
#!    hint: a setting is a word and what belongs to it: loss main
