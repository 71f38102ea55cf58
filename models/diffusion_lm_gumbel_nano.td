# diffusion_lm_gumbel.td made tiny, which learns nothing worth showing: the tests
# train it, sample from it and check its gradients.
#
#   tdc train models/diffusion_lm_gumbel_nano.td
use "diffusion_lm_gumbel.td" with B = 8, L = 16, K = 8, D = 32, H = 2, N = 2, M = 1, updates = 20,
    interval = 20
