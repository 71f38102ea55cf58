# every reducer, conditions and prefixes, under a gradient
dim A = 3, K = 4
const C = 2
param w[A,K] ~ normal()
data text { source "t.txt" }
dim V = text.vocab
loss main(x: id<V>[A,K]) {
  s[a] = sum[k](w[a,k] * w[a,k])
  p[a] = prod[k | k != a](w[a,k])
  m[a] = max[k](w[a,k]) - min[j in C](w[a,j])
  q[a,k] = softmax[k | k <= a](sum[j in A](w[j,k] * w[a,j]))
  l[a] = logsumexp[k](w[a,k])
  c[a,k] = sum[j <= k](w[a,j])
  n[a] = argmax[k](w[a,k])
  g[a] = w[a, min(n[a], K - 1)]
  b[a] = any[k](x[a,k] > 3) && all[k](x[a,k] < V) ? 1.0 : mean[k](w[a,k])
  r[a, i in 2 * K] = i < K ? w[a,i] : w[a,i - K]
  minimize sum[a](s[a] + p[a] + m[a] + l[a] + g[a] + b[a]) + sum[a,k](q[a,k] * c[a,k]) + sum[a,i](r[a,i])
}
train { loss main  adam(lr = 0.1)  steps 2 }
