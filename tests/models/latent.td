# A latent model: a continuous latent by reparameterisation with its KL term, and a
# discrete one by the Gumbel-softmax relaxation.
use nn
data text { source "verse.txt"  tokens chars  split 0.9 }

dim B = 4, L = 16, V = text.vocab
dim D = 24, Z = 8, C = 6  # width, latent, categories
const beta = 0.1, tau = 0.7

model encode(x: id<V>[B,L]) -> mu[B,Z], logvar[B,Z], cat[B,C] {
  w = embedding(x, D)
  h[b,d] = mean[l](gelu(linear(w, D))[b,l,d])
  mu = linear(h, Z)
  logvar = linear(h, Z)
  cat = linear(h, C)
}

model decode(z[B,Z], c[B,C]) -> logits[B,L,V] {
  param place[L,D] ~ normal(0, 0.1)
  a = linear(z, D)
  e = project(c, D)
  h[b,l,d] = tanh(a[b,d] + e[b,d] + place[l,d])
  logits = linear(h, V)
}

loss main(x: id<V>[B,L]) {
  mu, logvar, cat = encode(x)
  n[b,z] ~ normal()
  z[b, z2 in Z] = mu[b,z2] + exp(0.5 * logvar[b,z2]) * n[b,z2]
  soft[b,c] = softmax[c]((cat[b,c] + gumbel()) / tau)
  y = decode(z, soft)
  recon = mean[b,l](logsumexp[v](y[b,l,v]) - y[b,l,x[b,l]])
  kl = mean[b](sum[k in Z](kl_normal(mu[b,k], logvar[b,k])))
  log kl_nats = kl
  minimize recon + beta * kl / L
}

sampler prior() {
  state z[B,Z] ~ normal()
  state c[B,C] ~ uniform()
  hard[b, c2 in C] = argmax[k](c[b,k]) == c2 ? 1.0 : 0.0
  y = decode(z, hard)
  emit argmax[v](y[b,l,v])
}

train { loss main  adam(lr = 0.01)  batch B  steps 20 }
