# A prefix over a long axis is too much to compute while compiling.
const T = 12000
schedule noise[T] {
  beta[t] = lerp(1e-4, 0.02, t / (T - 1))
  left[t] = prod[s <= t](1 - beta[s])
}
op noised(x[b], t: id<T>[b]) -> y[b] = x[b] * noise.left[t[b]]
#! tests/errors/schedule_work.td:3:16: error[E0216]: the tables of schedule 'noise' are too large to be computed here
#!     3 | schedule noise[T] {
#!       |                ^
