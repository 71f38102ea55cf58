op f(x[n]) -> y {
  y = sum[a in 2, b in 2, c in 2, d in 2, e in 2, f in 2, g in 2, h in 2, i in 2, j in 2, k in 2,
          l in 2, m in 2, o in 2, p in 2, q in 2, r in 2](1)
}
#! tests/errors/reduction_of_17_indices.td:2:7: error[E0215]: this reduction runs over more than 16 indices
#!     2 |   y = sum[a in 2, b in 2, c in 2, d in 2, e in 2, f in 2, g in 2, h in 2, i in 2, j in 2, k in 2,
#!       |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
