# The flagship made small: the diffusion model of shakespeare.td with 4 layers of
# width 128 on windows of 64 characters, 0.8M parameters. Minutes on two CPU cores.
#
#   tdc train models/shakespeare_nano.td
#   tdc sample models/shakespeare_nano.td
use "shakespeare.td" with L = 64, D = 128, H = 4, N = 4, lr = 1e-3, updates = 5000

# From the text to noise, as the loss makes it: from time s, -1 for the text itself, to the next, t.
# The symbol nearest to each place is shown, and how sure of it one is who knows no other place.
sampler forward(steps = T, clean = "") {
  state x[b in B, l, v in V] = clean[l] == v ? 1.0 : 0.0
  state sure[b in B, l in L] = 1.0
  for s, t in -1 .. T-2 steps steps {
    ratio = noise.abar[t] / (s >= 0 ? noise.abar[s] : 1.0)
    x[b,l,v] = sqrt(ratio) * x[b,l,v] + sqrt(1 - ratio) * normal()
    p[b,l,v] = softmax[v](x[b,l,v] * sqrt(noise.snr[t] * (1 + noise.snr[t])))
    sure[b,l] = max[v](p[b,l,v])
  }
  log confidence[b,l] = sure[b,l]
  emit argmax[v](x[b,l,v])
}

train {
  loss main  adam(lr = cosine(lr, step, steps))  batch B  steps updates  clip 1.0  ema 0.999
  eval every 500  checkpoint every 500  sample ddpm every 1000
}
