op round_st(x[...]) -> y[...] = round(x[...])  grad(dy) { dx[...] = dy[...] }  nocheck
#= op round_st(x[...]) -> y[...] = round(x[...]) grad(dy) { dx[...] = dy[...] } nocheck
