dim B = 4, L = 32
param w[4] ~ normal(0, 1)
model product(x: id<28>[B,L]) -> y[B] {
  q[b] = sum[l](x[b,l] * 9000000)
  y[b] = w[min(q[b], 3)]
}
model choice(x: id<28>[B,2]) -> y[B] {
  q[b] = sum[l](x[b,l] > 20 ? 2147483645 : 1)
  y[b] = w[min(q[b], 3)]
}
model cube(k: id<2147483648>[B]) -> y[B] {
  y[b] = w[max(0, min(k[b] * k[b] * k[b], 3))]
}
model fourth(j: id<100000>[B]) -> y[B] { y[b] = w[min(j[b] * j[b] * j[b] * j[b], 3)] }
model least(x[16]) -> y[16] {
  y[i in 16] = x[(-9223372036854775807 - 1 - i) % 16]
}
model counted(x[B]) -> y[B] { y[b] = x[b] + real(sum[n in 100000](n)) }
model constant(j: id<9>[B]) -> y[B] { y[b] = real(9223372036854775807 * j[b]) }
model products(j: id<9>[B]) -> y { y = real(prod[b](j[b] + 1000)) }
model carried(x[B]) -> y[B] {
  n = 0
  for i in 3 { n = n + 1 }
  y[b] = x[b] + n
}
model kept(x[B]) -> y[B] {
  q[b] = int(x[b]) + 1
  y[b] = real(q[b])
}
model far(x[B]) -> y[B] { y[b] = sum[j in 9223372036854775806 : 9223372036854775807](x[b]) }
schedule single[T] { most = 3000000000 }
schedule table[T] {
  some[t] = t * 1000000000
}
dim T = 4
model scheduled(x[B]) -> y[B] { y[b] = x[b] + single.most + table.some[b] }
#! tests/errors/integers_too_large.td:4:10: error[E0227]: these integers may run over 0 .. 7776000000; 32 bits hold -2^31 .. 2^31 - 1
#!     4 |   q[b] = sum[l](x[b,l] * 9000000)
#!       |          ^^^^^^^^^^^^^^^^^^^^^^^^
#!    hint: reduce numbers: sum[..](real(x)); or keep x small: min(max(x, LO), HI)
#!    note: tests/errors/integers_too_large.td:3:7: in this use of 'product'
#! tests/errors/integers_too_large.td:8:10: error[E0227]: these integers may run over 2 .. 4294967290; 32 bits hold -2^31 .. 2^31 - 1
#!     8 |   q[b] = sum[l](x[b,l] > 20 ? 2147483645 : 1)
#!       |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
#!    hint: reduce numbers: sum[..](real(x)); or keep x small: min(max(x, LO), HI)
#!    note: tests/errors/integers_too_large.td:7:7: in this use of 'choice'
#! tests/errors/integers_too_large.td:12:35: error[E0227]: these integers may not fit 64 bits
#!    12 |   y[b] = w[max(0, min(k[b] * k[b] * k[b], 3))]
#!       |                                   ^
#!    hint: keep what goes in small: min(max(x, LO), HI); or compute with numbers: real(x)
#!    note: tests/errors/integers_too_large.td:11:7: in this use of 'cube'
#! tests/errors/integers_too_large.td:14:74: error[E0227]: these integers may not fit 64 bits
#!    14 | model fourth(j: id<100000>[B]) -> y[B] { y[b] = w[min(j[b] * j[b] * j[b] * j[b], 3)] }
#!       |                                                                          ^
#!    hint: keep what goes in small: min(max(x, LO), HI); or compute with numbers: real(x)
#!    note: tests/errors/integers_too_large.td:14:7: in this use of 'fourth'
#! tests/errors/integers_too_large.td:16:44: error[E0227]: these integers may not fit 64 bits
#!    16 |   y[i in 16] = x[(-9223372036854775807 - 1 - i) % 16]
#!       |                                            ^
#!    hint: keep what goes in small: min(max(x, LO), HI); or compute with numbers: real(x)
#!    note: tests/errors/integers_too_large.td:15:7: in this use of 'least'
#! tests/errors/integers_too_large.td:18:50: error[E0227]: these integers may run over 0 .. 9999900000; 32 bits hold -2^31 .. 2^31 - 1
#!    18 | model counted(x[B]) -> y[B] { y[b] = x[b] + real(sum[n in 100000](n)) }
#!       |                                                  ^^^^^^^^^^^^^^^^^^^
#!    hint: reduce numbers: sum[..](real(x)); or keep x small: min(max(x, LO), HI)
#!    note: tests/errors/integers_too_large.td:18:7: in this use of 'counted'
#! tests/errors/integers_too_large.td:19:71: error[E0227]: these integers may not fit 64 bits
#!    19 | model constant(j: id<9>[B]) -> y[B] { y[b] = real(9223372036854775807 * j[b]) }
#!       |                                                                       ^
#!    hint: keep what goes in small: min(max(x, LO), HI); or compute with numbers: real(x)
#!    note: tests/errors/integers_too_large.td:19:7: in this use of 'constant'
#! tests/errors/integers_too_large.td:20:45: error[E0227]: these integers may run over 0 .. 1032386052096; 32 bits hold -2^31 .. 2^31 - 1
#!    20 | model products(j: id<9>[B]) -> y { y = real(prod[b](j[b] + 1000)) }
#!       |                                             ^^^^^^^^^^^^^^^^^^^^
#!    hint: reduce numbers: prod[..](real(x)); or keep x small: min(max(x, LO), HI)
#!    note: tests/errors/integers_too_large.td:20:7: in this use of 'products'
#! tests/errors/integers_too_large.td:23:16: error[E0227]: these integers may run over -2147483647 .. 2147483648; 32 bits hold -2^31 .. 2^31 - 1
#!    23 |   for i in 3 { n = n + 1 }
#!       |                ^^^^^^^^^
#!    hint: keep it small: min(max(x, LO), HI); or hold a number: real(x)
#!    note: tests/errors/integers_too_large.td:21:7: in this use of 'carried'
#! tests/errors/integers_too_large.td:27:3: error[E0227]: these integers may run over -2147483647 .. 2147483648; 32 bits hold -2^31 .. 2^31 - 1
#!    27 |   q[b] = int(x[b]) + 1
#!       |   ^^^^^^^^^^^^^^^^^^^^
#!    hint: keep it small: min(max(x, LO), HI); or hold a number: real(x)
#!    note: tests/errors/integers_too_large.td:26:7: in this use of 'kept'
#! tests/errors/integers_too_large.td:30:43: error[E0208]: a range lies within 2^31 of 0, this is 9223372036854775806
#!    30 | model far(x[B]) -> y[B] { y[b] = sum[j in 9223372036854775806 : 9223372036854775807](x[b]) }
#!       |                                           ^^^^^^^^^^^^^^^^^^^
#!    note: tests/errors/integers_too_large.td:30:7: in this use of 'far'
#! tests/errors/integers_too_large.td:31:22: error[E0227]: this integer is 3000000000; 32 bits hold -2^31 .. 2^31 - 1
#!    31 | schedule single[T] { most = 3000000000 }
#!       |                      ^^^^
#!    hint: make it a number: 3000000000.0
#! tests/errors/integers_too_large.td:33:3: error[E0227]: these integers may run over 0 .. 3000000000; 32 bits hold -2^31 .. 2^31 - 1
#!    33 |   some[t] = t * 1000000000
#!       |   ^^^^^^^^^^^^^^^^^^^^^^^^
#!    hint: keep it small: min(max(x, LO), HI); or hold a number: real(x)
