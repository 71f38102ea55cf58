# prime.td made tiny, which learns nothing worth showing: the tests
# train it, sample from it and check its gradients.
#
#   tdc train models/prime_nano.td
use "prime.td" with B = 8, L = 12, D = 32, H = 2, N = 2, updates = 20, interval = 20
