# A picture of symbols that a convolution of 3 x 3 reads in steps of two, and one of 4 x 4 that is
# turned around makes again: neighbours share what they read, and what they are made of.
use nn
data text { source "verse.txt"  tokens chars  split 0.9 }

dim B = 4, L = 32, V = text.vocab
dim W = 2, H = L / W
dim D = 32

# Half the height and width, zero outside.
block down(u[b,y,x,i], h, w, o) -> v[b,h,w,o] {
  param m[3,3,i,o] ~ normal(0, 0.1)
  param c[o] = 0
  v[b, r in h, s in w, o] = sum[j in 3, k in 3, i](u[b, 2*r+j-1 else 0, 2*s+k-1 else 0, i] * m[j,k,i,o]) + c[o]
}

# Twice the height and width: place y is met by tap j of places (y + 1 - j) / 2.
block up(u[b,r,s,i], h, w, o) -> v[b,h,w,o] {
  param m[4,4,i,o] ~ normal(0, 0.1)
  v[b, y in h, x in w, o] = sum[j in 4, k in 4, i | (y+1-j)%2 == 0 && (x+1-k)%2 == 0](u[b, (y+1-j)/2 else 0, (x+1-k)/2 else 0, i] * m[j,k,i,o])
}

model net(x: id<V>[B,L]) -> logits[B,L,V] {
  param symbol[V,D] ~ normal(0, 1)
  image[b, y in H, s in W, d] = symbol[x[b,y*W+s],d]
  half = silu(down(image, H / 2, W / 2, D))
  whole = silu(up(half, H, W, D))
  flat[b, l in L, d] = whole[b,l/W,l%W,d]
  logits = linear(flat, V)
}

loss main(x: id<V>[B,L+1]) {
  seen[b, l in L] = x[b,l]
  z = net(seen)
  minimize mean[b, l in L](logsumexp[v](z[b,l,v]) - z[b,l,x[b,l+1]])
}

train { loss main  adam(lr = 0.01)  batch B  steps 20 }
