# diffusion_lm_vae.td made tiny, which learns nothing worth showing: the tests
# train it, sample from it and check its gradients.
#
#   tdc train models/diffusion_lm_vae_nano.td
use "diffusion_lm_vae.td" with B = 8, L = 16, Z = 3, D = 32, H = 2, N = 2, M = 1, T = 12,
    updates = 20, interval = 20
