# A residual network of two-dimensional convolutions (He et al. 2016): a window of text, wrapped
# into rows, is an image of symbols, and what follows it is its class.
use nn
data text { source "../../models/verse.txt"  tokens chars  split 0.9 }

dim B = 2, L = 32, V = text.vocab  # images, their symbols
dim W = 4, H = L / W               # width and height
dim C = 4                          # channels, twice as many at half the size

# 3 x 3, zero outside.
block conv(u[b,y,x,i], o) -> v[b,y,x,o] {
  param w[3,3,i,o] ~ normal(0, sqrt(2 / (9 * extent(i))))
  param c[o] = 0
  v[b,y,x,o] = sum[j in 3, k in 3, i](u[b, y+j-1 else 0, x+k-1 else 0, i] * w[j,k,i,o]) + c[o]
}

# 2 x 2 at every other place, twice as many channels.
block down(u[b,y,x,i], h, w, o) -> v[b,h,w,o] {
  param m[2,2,i,o] ~ normal(0, sqrt(1 / (4 * extent(i))))
  v[b, r in h, s in w, o] = sum[j in 2, k in 2, i](u[b,2*r+j,2*s+k,i] * m[j,k,i,o])
}

block residual(u[b,y,x,i]) -> v[b,y,x,i] {
  v = u + conv(silu(conv(silu(layernorm(u)), i)), i)
}

model net(x: id<V>[B,L]) -> logits[B,V] {
  param symbol[V,C] ~ normal(0, 1)
  image[b, r in H, s in W, c] = symbol[x[b,r*W+s],c]
  a = residual(conv(image, C))
  d = residual(down(a, H / 2, W / 2, 2 * C))
  all[b, k in 2*C] = mean[r in H/2, s in W/2](silu(d)[b,r,s,k])
  logits = linear(all, V)
}

loss main(x: id<V>[B,L+1]) {
  seen[b, l in L] = x[b,l]
  z = net(seen)
  minimize mean[b](logsumexp[v](z[b,v]) - z[b,x[b,L]])
}

train { loss main  adam(lr = 0.003)  batch B  steps 20 }
