/* SPDX-License-Identifier: MIT */
/* See prim_case.h. */
#include "tests/prim_case.h"

#include <string.h>

#include "compiler/ir/verify.h"

bool prim_case_types(PrimSig sig, int choice, Type *t) {
  static const Type both[] = {TY_REAL, TY_INT, TY_BOOL};
  t[0] = t[1] = t[2] = TY_REAL;
  switch (sig) {
  case SIG_REAL:
  case SIG_TOINT: return choice < 1;
  case SIG_NUM: t[0] = t[1] = both[choice % 2]; return choice < 2;
  case SIG_CMP: t[0] = t[1] = both[choice % 3]; return choice < 3;
  case SIG_LOGIC: t[0] = t[1] = TY_BOOL; return choice < 1;
  case SIG_SEL: t[0] = TY_BOOL; return choice < 1;
  case SIG_TOREAL: t[0] = both[1 + choice % 2]; return choice < 2;
  case SIG_DRAW: t[0] = t[1] = TY_INT; return choice < 1;
  case SIG_PICK: t[0] = t[1] = t[2] = TY_INT; return choice < 1;
  }
  return false;
}

PrimCase prim_case(Arena *a, Prim p, const Type *t) {
  static const char *const names[] = {"a", "b", "c"};
  const int64_t shape[] = {PRIM_CASE_COUNT};
  PrimCase k = {.p = p, .info = prim_info(p), .arena = a};
  memcpy(k.type, t, sizeof k.type);
  k.g = graph_new(a, interner_new(a), k.info->name);
  Expr *i = ex_var(k.g, 0);
  Expr *args[PRIM_ARGUMENTS] = {ex_int(k.g, PRIM_CASE_SITE), i, ex_int(k.g, PRIM_CASE_BELOW)};
  for (int n = 0; n < k.info->arity && !prim_draws(p); n++) {
    bool divisor = n == 1 && (p == P_div || p == P_mod);
    k.input[n] =
        ir_input(k.g, names[n], t[n], 1, shape, t[n] == TY_INT && divisor ? 1 : -6, 6, (Span){0});
    args[n] = ex_read(k.g, k.input[n], &i);
  }
  k.z = ir_comp(k.g, k.g->top, "z", (Span){0}, 1, 0, shape, RED_NONE, NULL, ex_prim(k.g, p, args));
  Output out = {"z", k.z};
  vec_push(a, &k.g->outputs, out);
  const char *broken = ir_verify(k.g);
  if (broken) bug("%s: %s", k.info->name, broken);
  return k;
}
