data text { source "../models/verse.txt" }
dim B = 2, L = 4, V = text.vocab
sampler more() {
  state x[b in B, l in L] = l < 2 ? V : 0
  emit x[b,l]
}
sampler less() {
  state x[b in B, l in L] = l - 1
  emit x[b,l]
}
#! tests/errors/emit_no_symbol.td:5:8: error[E0419]: these integers may run over 0 .. 28; symbols are 0 .. 27
#!     5 |   emit x[b,l]
#!       |        ^^^^^^
#!    hint: min(max(x, 0), 27) is a symbol; emit x else "_" shows what is none as that
#! tests/errors/emit_no_symbol.td:9:8: error[E0419]: these integers may run over -1 .. 2; symbols are 0 .. 27
#!     9 |   emit x[b,l]
#!       |        ^^^^^^
#!    hint: min(max(x, 0), 27) is a symbol; emit x else "_" shows what is none as that
