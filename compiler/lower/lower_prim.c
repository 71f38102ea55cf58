/* SPDX-License-Identifier: MIT */
/* Primitives and operators over values: numbers known now are folded, all else becomes a scalar
 * expression over the axes of whole tensors. */
#include <math.h>

#include "compiler/lower/domain.h"
#include "compiler/lower/lower.h"
#include "compiler/lower/value.h"

bool usable(Lowering *l, const Value *v, Span at) {
  if (v->kind == V_NUM || v->kind == V_TENSOR) return true;
  if (v->kind == V_POISON) return false;
  static const char *const kinds[] = {[V_POISON] = "",
                                      [V_NUM] = "",
                                      [V_TENSOR] = "",
                                      [V_TEXT] = "a text",
                                      [V_FN] = "a function",
                                      [V_SCHEDULE] = "a schedule",
                                      [V_DATA] = "data",
                                      [V_PARAM] = "a parameter",
                                      [V_PACKED] = "several results"};
  const char *kind = kinds[v->kind];
  Diag *x = v->what ? lower_error(l, 306, at, "'%s' is %s; a tensor or a number is needed here",
                                  v->what, kind)
                    : lower_error(l, 306, at, "%s, where a tensor or a number is needed", kind);
  if (v->kind == V_FN) diag_hint(l->d, x, "call it: %s(...)", v->what);
  if (v->kind == V_PACKED) diag_hint(l->d, x, "give the results names first: a, b = ...");
  if (v->kind == V_SCHEDULE) diag_hint(l->d, x, "name one of its tables: %s.NAME[t]", v->what);
  if (v->kind == V_DATA)
    diag_hint(l->d, x, "it has %s.vocab, %s.unigram[v] and %s.entropy", v->what, v->what, v->what);
  return false;
}

Value *lower_prim(Lowering *l, Prim p, Value **args, int n, Span at) {
  Value out;
  Value *vs[3];
  Expr *es[3];
  for (int i = 0; i < n; i++) {
    if (!usable(l, args[i], at)) return v_poison(l);
    vs[i] = args[i];
  }
  if (!v_align(l, vs, n, at, &out)) return v_poison(l);
  for (int i = 0; i < n; i++) es[i] = v_expr(l, vs[i]);
  const PrimInfo *info = prim_info(p);
  bool all_int = true, any_bool = false;
  int first = info->sig == SIG_SEL ? 1 : 0;
  for (int i = first; i < n; i++) {
    all_int = all_int && es[i]->type == TY_INT;
    any_bool = any_bool || es[i]->type == TY_BOOL;
  }
  switch (info->sig) {
  case SIG_NUM:
  case SIG_CMP:
  case SIG_SEL:
    if (any_bool) {
      bool same = info->sig != SIG_NUM;
      for (int i = first; i < n; i++) same = same && es[i]->type == TY_BOOL;
      if (!same || (info->sig == SIG_CMP && p != P_eq && p != P_ne)) {
        Diag *x = lower_error(l, 307, at, "a truth value where a number is needed");
        diag_hint(l->d, x, "choose numbers with  condition ? 1 : 0");
        return v_poison(l);
      }
    } else if (!all_int) {
      for (int i = first; i < n; i++) es[i] = to_real(l, es[i]);
    }
    if (info->sig == SIG_SEL && es[0]->type != TY_BOOL) bug("a choice without a condition");
    break;
  case SIG_REAL:
  case SIG_TOINT:
    if (any_bool) {
      lower_error(l, 307, at, "a truth value where a number is needed");
      return v_poison(l);
    }
    for (int i = 0; i < n; i++) es[i] = to_real(l, es[i]);
    break;
  case SIG_LOGIC:
    for (int i = 0; i < n; i++)
      if (es[i]->type != TY_BOOL) {
        const char *side = n == 1 ? "this" : i == 0 ? "its left side" : "its right side";
        Diag *x = lower_error(l, 307, at, "'%s' takes truth values, %s is a number",
                              p == P_and  ? "&&"
                              : p == P_or ? "||"
                                          : "!",
                              side);
        diag_hint(l->d, x, "compare it: x != 0");
        return v_poison(l);
      }
    break;
  case SIG_TOREAL:
    if (es[0]->type == TY_REAL) return args[0];
    break;
  case SIG_DRAW:
  case SIG_PICK: bug("a draw is no ordinary call");
  }
  Value *v = NEW(l->arena, Value);
  *v = out;
  v->kind = V_TENSOR;
  if (p == P_log || p == P_log1p) v->e = log_of_draw(l->g, p, es[0]);
  if (!v->e) v->e = ex_prim(l->g, p, es);
  if (ex_is_prim(v->e, P_int)) v->e = integer_within(l, v->e, v->e->args[0]);
  if (v->rank == 0 && v->e->kind == E_INT) return v_int(l, v->e->inum, NULL);
  if (v->rank == 0 && v->e->type == TY_INT && args[0]->kind == V_NUM &&
      (n == 1 || args[1]->kind == V_NUM) && !l->assumed) {
    lower_error(l, 104, at, "the result does not fit a whole number of 64 bits");
    return v_poison(l);
  }
  if (!whole_computed(l, v->e, at)) return v_poison(l);
  if (p == P_div && v->e->type == TY_REAL) doubt_division(l, es[1], at);
  if (p == P_rsqrt) doubt_division(l, es[0], at);
  if (v->rank == 0 && v->e->kind == E_NUM && args[0]->kind == V_NUM) return v_real(l, v->e->num);
  return v;
}

static Value *prim2(Lowering *l, Prim p, Value *a, Value *b, Span at) {
  Value *args[2] = {a, b};
  return lower_prim(l, p, args, 2, at);
}

static Value *power(Lowering *l, Value *a, Value *b, Span at) {
  if (a->kind == V_NUM && b->kind == V_NUM) {
    int64_t x = 1;
    if (a->is_int && b->is_int && b->inum >= 0) {
      bool fits = true;
      bool small = a->inum >= -1 && a->inum <= 1; /* its powers repeat after two */
      int64_t times = small && b->inum > 2 ? 2 - b->inum % 2 : b->inum;
      for (int64_t i = 0; i < times && fits; i++) fits = !__builtin_mul_overflow(x, a->inum, &x);
      if (fits) return v_int(l, x, NULL);
    }
    return v_real(l, pow(a->num, b->num));
  }
  if (b->kind == V_NUM && b->num == floor(b->num) && b->num >= 1 && b->num <= 8) {
    Value *v = a;
    for (int i = 1; i < (int)b->num; i++) v = prim2(l, P_mul, v, a, at);
    return v;
  }
  if (b->kind == V_NUM && b->num == 0.5) return lower_prim(l, P_sqrt, &a, 1, at);
  if (b->kind == V_NUM && b->num == -0.5) return lower_prim(l, P_rsqrt, &a, 1, at);
  return prim2(l, P_pow, a, b, at);
}

/* Division of integers: by 0 it has no value. False after an error. */
static bool integers_divide(Lowering *l, Value *a, Value *b, Span at) {
  if (v_type(a) != TY_INT || v_type(b) != TY_INT) return true;
  return whole_divisor(l, v_expr(l, b), at);
}

static Value *divide(Lowering *l, Value *a, Value *b, Span at, bool index) {
  if (b->kind == V_NUM && b->num == 0 && (index || (a->kind == V_NUM && a->is_int && b->is_int))) {
    lower_error(l, 211, at, "division by zero");
    return v_poison(l);
  }
  if (a->kind == V_NUM && b->kind == V_NUM) {
    if (a->is_int && b->is_int && b->inum == -1) return lower_prim(l, P_neg, &a, 1, at);
    if (a->is_int && b->is_int && a->inum % b->inum == 0) return v_int(l, a->inum / b->inum, NULL);
    if (a->is_int && b->is_int && index) {
      int64_t q = a->inum / b->inum;
      if ((a->inum % b->inum < 0) != (b->inum < 0) && a->inum % b->inum != 0) q--;
      return v_int(l, q, NULL);
    }
    return v_real(l, a->num / b->num);
  }
  if (usable(l, a, at) && usable(l, b, at) && v_type(a) == TY_INT && v_type(b) == TY_INT &&
      !index) {
    Value *r[1] = {a};
    a = lower_prim(l, P_real, r, 1, at);
  }
  if (index && !integers_divide(l, a, b, at)) return v_poison(l);
  return prim2(l, P_div, a, b, at);
}

Value *lower_binary(Lowering *l, AOp op, Value *a, Value *b, Span at, bool index) {
  if (a->kind == V_POISON || b->kind == V_POISON) return v_poison(l);
  if (!usable(l, a, at) || !usable(l, b, at)) return v_poison(l);
  switch (op) {
  case OP_ADD: return prim2(l, P_add, a, b, at);
  case OP_SUB: return prim2(l, P_sub, a, b, at);
  case OP_MUL: return prim2(l, P_mul, a, b, at);
  case OP_DIV: return divide(l, a, b, at, index);
  case OP_MOD:
    if (b->kind == V_NUM && b->num == 0) {
      lower_error(l, 211, at, "division by zero");
      return v_poison(l);
    }
    if (!integers_divide(l, a, b, at)) return v_poison(l);
    return prim2(l, P_mod, a, b, at);
  case OP_POW: return power(l, a, b, at);
  case OP_LT: return prim2(l, P_lt, a, b, at);
  case OP_LE: return prim2(l, P_le, a, b, at);
  case OP_GT: return prim2(l, P_lt, b, a, at);
  case OP_GE: return prim2(l, P_le, b, a, at);
  case OP_EQ: return prim2(l, P_eq, a, b, at);
  case OP_NE: return prim2(l, P_ne, a, b, at);
  case OP_AND: return prim2(l, P_and, a, b, at);
  case OP_OR: return prim2(l, P_or, a, b, at);
  case OP_NEG:
  case OP_NOT: break;
  }
  bug("a unary operator between two operands");
}
