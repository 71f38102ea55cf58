use nn
use   "mask.td"   with L=64,D = 2*  32
# another
use "gpt.td"
  with H = 4,   # heads
    N = 2
use "ops.td" # with nothing
const with = 3, wide = with + 1
op f(x[b]) -> y[b] = with * x[b]
#= use nn
#= use "mask.td" with L = 64, D = 2 * 32
#= # another
#= use "gpt.td"
#=     with H = 4,  # heads
#=     N = 2
#= use "ops.td"  # with nothing
#= const with = 3, wide = with + 1
#= op f(x[b]) -> y[b] = with * x[b]
