# diffusion_lm.td made tiny, which learns nothing worth showing: the tests
# train it, sample from it and check its gradients.
#
#   tdc train models/diffusion_lm_nano.td
use "diffusion_lm.td" with B = 4, L = 12, D = 16, K = 24, T = 8, updates = 20, interval = 20
