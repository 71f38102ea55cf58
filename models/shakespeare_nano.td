# The flagship made small: the diffusion model of shakespeare.td with 4 layers of
# width 128 on windows of 64 characters, 0.8M parameters. Minutes on two CPU cores.
#
#   tdc train models/shakespeare_nano.td
#   tdc sample models/shakespeare_nano.td
use "shakespeare.td" with L = 64, D = 128, H = 4, N = 4, lr = 1e-3, updates = 5000

train {
  loss main  adam(lr = cosine(lr, step, steps))  batch B  steps updates  clip 1.0  ema 0.999
  eval every 500  checkpoint every 500  sample ddpm every 1000
}
