const T = 10
schedule noise[T] {
  beta[t] = 0.01
  abar[t] = prod[s <= t](1 - beta[s])
}
op f(t: id<T>[b]) -> y[b] = noise.abarr[t[b]]
#! tests/errors/member_of_schedule.td:6:35: error[E0303]: schedule 'noise' has no table 'abarr'
#!     6 | op f(t: id<T>[b]) -> y[b] = noise.abarr[t[b]]
#!       |                                   ^^^^^
#!    hint: did you mean 'abar'?
#!    note: tests/errors/member_of_schedule.td:2:10: 'noise' is declared here
