sampler s() {
  state x[b in 2, l in 3] = 0
  emit x[b,l] else "[MASK]"
}
sampler t() {
  state x[b in 2, l in 3] = 0
  emit x[b,l] else "\n"
}
sampler u() {
  state x[b in 2, l in 3] = 0
  emit x[b,l] else ""
}
#! tests/errors/emit_else_characters.td:3:20: error[E0120]: what is shown for no symbol is one character
#!     3 |   emit x[b,l] else "[MASK]"
#!       |                    ^^^^^^^^
#!    hint: emit x[b,l] else "_"
#! tests/errors/emit_else_characters.td:7:20: error[E0120]: what is shown for no symbol is one character
#!     7 |   emit x[b,l] else "\n"
#!       |                    ^^^^
#!    hint: emit x[b,l] else "_"
#! tests/errors/emit_else_characters.td:11:20: error[E0120]: what is shown for no symbol is one character
#!    11 |   emit x[b,l] else ""
#!       |                    ^^
#!    hint: emit x[b,l] else "_"
