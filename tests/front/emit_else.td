sampler s( prompt = "" ) {
  state x[b,l] = 0
  for i in 3 .. 0 { x[b,l] = x[b,l]+1 }
  emit   x[b,l]   else   "\x5f"  # an underscore
}
sampler t() { emit x[b,l] else "·" }
sampler u(else = 1) { emit else else "\"" }
#= sampler s(prompt = "") {
#=   state x[b,l] = 0
#=   for i in 3 .. 0 { x[b,l] = x[b,l] + 1 }
#=   emit x[b,l] else "_"  # an underscore
#= }
#= sampler t() { emit x[b,l] else "·" }
#= sampler u(else = 1) { emit else else "\"" }
