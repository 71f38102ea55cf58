precision { weights f32 }
op f(x[b]) -> y[b] = 2 * x[b]
#! tests/errors/precision_setting.td:1:13: error[E0409]: 'precision' has no setting 'weights'
#!     1 | precision { weights f32 }
#!       |             ^^^^^^^
