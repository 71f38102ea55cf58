# bits.td made tiny, which learns nothing worth showing: the tests
# train it, sample from it and check its gradients.
#
#   tdc train models/bits_nano.td
use "bits.td" with B = 8, L = 16, D = 32, H = 2, N = 2, T = 16, updates = 20, interval = 20
