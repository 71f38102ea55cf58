use   nn ; use "lib/my ops.td"
const a=1,b = 2 ,
   c = 3   # three
dim L=1_000


dim K = (L)
# about twice
# in two lines
op twice ( x [ ... ] )
  -> y [ ... ]
{
  y[...]=x[...]+
     x[...]   # both
  ; z = foo( a ,
    b,   # why b
    eps = 1e-5,
  )
}
op chain(x[i]) -> y[i] = x[i] > 0
    ? x[i]
    : x[i] < -1
      ? -1
      : 0
grad(dy) { dx[i] = dy[i] } nocheck
block empty() { }
block only_comment() {
  # nothing yet
}
model m(x[B,L], t : id < T > [B]) -> eps[B,L] { for i in N { x = f(x) ; x = g(x) }
  for i in 0 : L-K+1 { y[i] = sum[k|k<i&&k>0] (x[i+k-1 else 0]) }
  for t,u in T-1..0 steps n { emit = t }  # pairs

  # last words
}
train {
  loss main     adam(lr=1e-4)   # the usual
  batch B ; steps 20000

  # now and then
  checkpoint every (2*N) -1 "a\tb\x41é"
}
param w[D,H] , b[H] ~ normal ( 0 , 0.02 )
param one = 1
precision{act bf16}
schedule noise[ T + 1 ] { beta[t] = 0.5 }
# the end
#= use nn
#= use "lib/my ops.td"
#= const a = 1, b = 2,
#=     c = 3  # three
#= dim L = 1_000
#=
#= dim K = L
#= # about twice
#= # in two lines
#= op twice(x[...])
#=     -> y[...] {
#=   y[...] = x[...] +
#=       x[...]  # both
#=   z = foo(a,
#=       b,  # why b
#=       eps = 1e-5
#=   )
#= }
#= op chain(x[i]) -> y[i] = x[i] > 0
#=     ? x[i]
#=     : x[i] < -1
#=     ? -1
#=     : 0
#= grad(dy) { dx[i] = dy[i] } nocheck
#= block empty() {}
#= block only_comment() {
#=   # nothing yet
#= }
#= model m(x[B,L], t: id<T>[B]) -> eps[B,L] {
#=   for i in N { x = f(x); x = g(x) }
#=   for i in 0:L-K+1 { y[i] = sum[k | k < i && k > 0](x[i+k-1 else 0]) }
#=   for t, u in T-1 .. 0 steps n { emit = t }  # pairs
#=
#=   # last words
#= }
#= train {
#=   loss main  adam(lr = 1e-4)  # the usual
#=   batch B  steps 20000
#=
#=   # now and then
#=   checkpoint every (2 * N) -1 "a\tbAé"
#= }
#= param w[D,H], b[H] ~ normal(0, 0.02)
#= param one = 1
#= precision { act bf16 }
#= schedule noise[T+1] { beta[t] = 0.5 }
#= # the end
