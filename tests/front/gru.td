op gru(x[b,t,i], h0[b,k], w[3,i,k], u[3,m,k]) -> y[b,t,k] {
  a[b,t,g,k] = x[b,t,i] * w[g,i,k]                      # hoisted: one matrix product for all t
  scan t carry h[b,k] = h0[b,k] {
    c[b,g,k] = h[b,m] * u[g,m,k]
    r[b,k] = sigmoid(a[b,t,0,k] + c[b,0,k])
    z[b,k] = sigmoid(a[b,t,1,k] + c[b,1,k])
    n[b,k] = tanh(a[b,t,2,k] + r[b,k] * c[b,2,k])
    h[b,k] = (1 - z[b,k]) * n[b,k] + z[b,k] * h[b,k]
  } emit y[b,t,k] = h[b,k]
}
#= op gru(x[b,t,i], h0[b,k], w[3,i,k], u[3,m,k]) -> y[b,t,k] {
#=   a[b,t,g,k] = x[b,t,i] * w[g,i,k]  # hoisted: one matrix product for all t
#=   scan t carry h[b,k] = h0[b,k] {
#=     c[b,g,k] = h[b,m] * u[g,m,k]
#=     r[b,k] = sigmoid(a[b,t,0,k] + c[b,0,k])
#=     z[b,k] = sigmoid(a[b,t,1,k] + c[b,1,k])
#=     n[b,k] = tanh(a[b,t,2,k] + r[b,k] * c[b,2,k])
#=     h[b,k] = (1 - z[b,k]) * n[b,k] + z[b,k] * h[b,k]
#=   } emit y[b,t,k] = h[b,k]
#= }
