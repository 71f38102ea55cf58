sampler s(temperature = 1.0 in 0..10, k=2 in 0 : N+1, c = a ? 1 : 2 in (a ? 1 : 0) : 3,
    # how many
    steps = 4 in 1 ..  # all
      inf, prompt = "") {
  emit x[b,l]
}
#= sampler s(temperature = 1.0 in 0 .. 10, k = 2 in 0:N+1, c = a ? 1 : 2 in (a ? 1 : 0):3,
#=     # how many
#=     steps = 4 in 1 .. inf,  # all
#=     prompt = "") {
#=   emit x[b,l]
#= }
