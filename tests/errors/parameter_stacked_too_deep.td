block deep(x[b,d]) -> y[b,d] {
  h = x
  for a in 2 { for c in 2 { for e in 2 { for f in 2 { for g in 2 {
    for i in 2 { for j in 2 { for k in 2 {
      param w[3] ~ normal(0, 1)
      h[b,d] = h[b,d] + w[0]
    } } }
  } } } } }
  y = h
}
#! tests/errors/parameter_stacked_too_deep.td:5:13: error[E0215]: a parameter has at most 8 axes, stacking included
#!     5 |       param w[3] ~ normal(0, 1)
#!       |             ^^^^
