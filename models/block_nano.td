# block.td made tiny, which learns nothing worth showing: the tests
# train it, sample from it and check its gradients.
#
#   tdc train models/block_nano.td
use "block.td" with B = 8, L = 16, C = 4, D = 32, H = 2, N = 2, updates = 20, interval = 20
