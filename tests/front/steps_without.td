sampler s(n = 3) {
  state x[B,L] ~ uniform(3)
  for t,u in T-1 .. 0   steps n   without last { x[b,l] = t }
  emit x[b,l]
}
sampler r() {
  state x[B,L] ~ uniform(3)
  without = 3
  for t in 0 : T steps (4+1) without ends { x[b,l] = without }
  emit x[b,l]
}
#= sampler s(n = 3) {
#=   state x[B,L] ~ uniform(3)
#=   for t, u in T-1 .. 0 steps n without last { x[b,l] = t }
#=   emit x[b,l]
#= }
#= sampler r() {
#=   state x[B,L] ~ uniform(3)
#=   without = 3
#=   for t in 0:T steps 4+1 without ends { x[b,l] = without }
#=   emit x[b,l]
#= }
