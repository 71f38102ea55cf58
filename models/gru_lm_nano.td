# gru_lm.td made tiny, which learns nothing worth showing: the tests
# train it, sample from it and check its gradients.
#
#   tdc train models/gru_lm_nano.td
use "gru_lm.td" with B = 4, L = 24, D = 16, K = 24, updates = 20, interval = 20
