# Every keyword is a name where no keyword can stand.
const log = 1, steps = 2, data = 3, loss = 4, block = 5, emit = 6, state = 7, id = 8, grad = 9, else = 10
dim in = 11, for = 12, scan = 13, carry = 14, nocheck = 15, param = 16, op = 17, use = 18, train = 19
op op(data[in,for], steps, id: id<loss + 1>[in]) -> emit[in] {
  log = log(data[in,for])
  state = steps + data[in,for] - loss
  emit[in] = sum[for](log * id[in]) + block(grad, else = else, nocheck = carry)
  param[in], for[in] = state(scan)
  loss = carry ? id : grad
}
loss loss(data: id<V>[B,L]) {
  loss = block[in,steps](data)
  log steps = loss
  log state = log(loss)
  report, emit = f(loss)
  minimize log(minimize) + loss
}
metric metric(data) bound asked { report report(bound, exact, asked) }
sampler sampler(steps = 10, emit = 3, temperature = 1.0) {
  state state[B,L] = 0
  for steps in T-1 .. 0 steps steps {
    emit = state
    state[b,l] = emit[b,l in 0:steps, id else log]
  }
  scan carry carry steps[b] = data[b] { steps[b] = carry + 1 } emit emit[b] = steps[b]
  emit emit
}
train train { loss loss  data data  steps steps  emit every 1000  for in else 3  state(grad = 1).id }
#= # Every keyword is a name where no keyword can stand.
#= const log = 1, steps = 2, data = 3, loss = 4, block = 5, emit = 6, state = 7, id = 8, grad = 9, else = 10
#= dim in = 11, for = 12, scan = 13, carry = 14, nocheck = 15, param = 16, op = 17, use = 18, train = 19
#= op op(data[in,for], steps, id: id<loss + 1>[in]) -> emit[in] {
#=   log = log(data[in,for])
#=   state = steps + data[in,for] - loss
#=   emit[in] = sum[for](log * id[in]) + block(grad, else = else, nocheck = carry)
#=   param[in], for[in] = state(scan)
#=   loss = carry ? id : grad
#= }
#= loss loss(data: id<V>[B,L]) {
#=   loss = block[in,steps](data)
#=   log steps = loss
#=   log state = log(loss)
#=   report, emit = f(loss)
#=   minimize log(minimize) + loss
#= }
#= metric metric(data) bound asked { report report(bound, exact, asked) }
#= sampler sampler(steps = 10, emit = 3, temperature = 1.0) {
#=   state state[B,L] = 0
#=   for steps in T-1 .. 0 steps steps {
#=     emit = state
#=     state[b,l] = emit[b, l in 0:steps, id else log]
#=   }
#=   scan carry carry steps[b] = data[b] { steps[b] = carry + 1 } emit emit[b] = steps[b]
#=   emit emit
#= }
#= train train { loss loss  data data  steps steps  emit every 1000  for in else 3  state(grad = 1).id }
