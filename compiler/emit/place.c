/* SPDX-License-Identifier: MIT */
/* The places that values are stored to. */
#include "compiler/emit/cell.h"

Expr *emit_position(Emit *em, const Node *n, Expr *const *args) {
  Expr *at = ex_int(em->g, 0);
  const EmitLocal *local = emit_local(em, n);
  int64_t stride[IR_MAX_RANK];
  plan_strides(em->plan, n, stride);
  for (int d = n->rank - 1; d >= 0; d--) {
    int64_t step = local ? local->stride[d] : stride[d];
    at = ex2(em->g, P_add, at, ex2(em->g, P_mul, ex_int(em->g, step), args[d]));
  }
  return at;
}

const char *emit_element(Emit *em, Node *n, Expr *const *args, int level, bool writes) {
  Expr *at = emit_position(em, n, args);
  EmitLocal *local = emit_local(em, n);
  if (local) local->used = true;
  Linear lin;
  linear_init(&lin);
  StrBuf b = {0};
  sb_printf(&b, "%s[", local ? local->name : emit_pointer(em, n, writes));
  bool plain = linear_add(&lin, at, 1) && lin.constant >= 0;
  plain = plain && (!em->short_vars || read_fits_short(em, &lin));
  for (int i = 0; i < lin.n; i++)
    plain = plain && lin.term[i].atom->kind == E_VAR && lin.term[i].coef > 0;
  if (!plain) {
    const char *text = emit_value(em, at, level);
    sb_printf(&b, "%s]", text);
  } else {
    for (int i = 0; i < lin.n; i++) {
      sb_puts(&b, i ? " + " : "");
      emit_scaled(&b, lin.term[i].coef, emit_var(em, (int)lin.term[i].atom->inum));
    }
    if (lin.constant || lin.n == 0)
      sb_printf(&b, "%s%lld", lin.n ? " + " : "", (long long)lin.constant);
    sb_putc(&b, ']');
  }
  const char *text = arena_strndup(em->arena, b.s, b.n);
  sb_free(&b);
  return text;
}

const char *emit_store(Emit *em, const Node *n, const char *at, const char *value) {
  bool half = !emit_local(em, n) && plan_type(em->plan, n) == TD_BF16;
  if (half) value = dialect_spell(em->dialect, em->arena, em->dialect->narrow, &value);
  return arena_printf(em->arena, "%s = %s;\n", at, value);
}
