/* SPDX-License-Identifier: MIT */
/* ex_prim: primitives with their constants folded and the identities applied
 * that hold for every argument. On reals that excludes x * 0, x - x and x == x,
 * which NaN and infinities break; the sign of a zero is not kept. */
#include "compiler/ir/expr.h"
#include "compiler/ir/linear.h"

static bool constant(const Expr *e) {
  return e->kind == E_NUM || e->kind == E_INT || e->kind == E_BOOL;
}

static bool is_num(const Expr *e, double x) { return e->kind == E_NUM && e->num == x; }
static bool is_bool(const Expr *e, bool x) { return e->kind == E_BOOL && (e->inum != 0) == x; }

static Type type_of(Prim p, Expr *const *args) {
  const PrimInfo *info = prim_info(p);
  Type types[3] = {TY_REAL, TY_REAL, TY_REAL}, result = TY_REAL;
  for (int i = 0; i < info->arity; i++) types[i] = args[i]->type;
  if (!prim_result(p, types, &result))
    bug("%s does not take (%s, %s)", info->name, type_name(types[0]), type_name(types[1]));
  return result;
}

static Expr *raw(Graph *g, Prim p, Expr *const *args) {
  return expr_prim_raw(g, p, type_of(p, args), args);
}

/* All arguments are constants; NULL when the value is not known before a run
 * (draws) or does not exist (overflow, division of integers by 0). */
static Expr *fold_constants(Graph *g, Prim p, Expr *const *args) {
  const PrimInfo *info = prim_info(p);
  const Expr *a = args[0], *b = info->arity > 1 ? args[1] : args[0];
  int64_t i;
  switch (info->sig) {
  case SIG_NUM:
    if (a->type == TY_REAL) return ex_num(g, prim_real(p, a->num, b->num));
    return prim_int(p, a->inum, b->inum, &i) ? ex_int(g, i) : NULL;
  case SIG_REAL: return ex_num(g, prim_real(p, a->num, b->num));
  case SIG_CMP:
    if (a->type == TY_REAL) return ex_bool(g, prim_holds_real(p, a->num, b->num));
    return ex_bool(g, prim_holds(p, a->inum, b->inum));
  case SIG_LOGIC: return ex_bool(g, prim_holds(p, a->inum, b->inum));
  case SIG_TOREAL: return ex_num(g, (double)a->inum);
  case SIG_TOINT: return ex_int(g, prim_floor_int(a->num));
  case SIG_SEL: /* fold_select */
  case SIG_DRAW:
  case SIG_PICK: return NULL;
  }
  return NULL;
}

static Expr *fold_real(Graph *g, Prim p, Expr *a, Expr *b) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wswitch-enum"
  switch (p) {
  case P_add:
    if (a->kind == E_NUM && b->kind != E_NUM) return ex2(g, P_add, b, a); /* the constant last */
    if (is_num(b, 0)) return a;
    if (ex_is_prim(b, P_neg)) return ex2(g, P_sub, a, b->args[0]);
    if (ex_is_prim(a, P_neg)) return ex2(g, P_sub, b, a->args[0]);
    return NULL;
  case P_sub:
    if (is_num(b, 0)) return a;
    if (is_num(a, 0)) return ex1(g, P_neg, b);
    if (ex_is_prim(b, P_neg)) return ex2(g, P_add, a, b->args[0]);
    return NULL;
  case P_mul:
    if (b->kind == E_NUM && a->kind != E_NUM) return ex2(g, P_mul, b, a); /* the constant first */
    if (is_num(a, 1)) return b;
    if (is_num(a, -1)) return ex1(g, P_neg, b);
    if (ex_is_prim(a, P_neg) && ex_is_prim(b, P_neg)) return ex2(g, P_mul, a->args[0], b->args[0]);
    return NULL;
  case P_div:
    if (is_num(b, 1)) return a;
    if (is_num(b, -1)) return ex1(g, P_neg, a);
    return NULL;
  case P_neg:
    if (ex_is_prim(a, P_neg)) return a->args[0];
    if (ex_is_prim(a, P_sub)) return ex2(g, P_sub, a->args[1], a->args[0]);
    return NULL;
  case P_min:
  case P_max: return a == b ? a : NULL;
  case P_pow:
    if (is_num(b, 1)) return a;
    if (is_num(b, 0)) return ex_num(g, 1);
    if (is_num(b, 2)) return ex2(g, P_mul, a, a);
    if (is_num(b, -1)) return ex2(g, P_div, ex_num(g, 1), a);
    return NULL;
  case P_abs:
    if (ex_is_prim(a, P_abs)) return a;
    if (ex_is_prim(a, P_neg)) return ex1(g, P_abs, a->args[0]);
    return NULL;
  case P_floor:
  case P_round:
    return ex_is_prim(a, P_floor) || ex_is_prim(a, P_round) || ex_is_prim(a, P_real) ? a : NULL;
  default: return NULL;
  }
#pragma GCC diagnostic pop
}

static Expr *fold_int(Graph *g, Prim p, Expr *const *args) {
  Expr *a = args[0], *b = args[1];
  if ((p == P_min || p == P_max) && a == b) return a;
  if (p == P_abs && (ex_is_prim(a, P_abs) || ex_is_prim(a, P_mod))) {
    /* a mod c with c > 0 is never negative */
    if (a->prim == P_abs || (a->args[1]->kind == E_INT && a->args[1]->inum > 0)) return a;
  }
  return linear_fold(g, p, args);
}

static Expr *fold_not(Graph *g, Expr *a) {
  if (a->kind != E_PRIM) return NULL;
  Expr *x = a->args[0], *y = prim_info(a->prim)->arity > 1 ? a->args[1] : NULL;
  if (a->prim == P_not) return x;
  if (a->prim == P_eq) return ex2(g, P_ne, x, y);
  if (a->prim == P_ne) return ex2(g, P_eq, x, y);
  /* not of an order of reals is not the other order: NaN */
  if (a->prim == P_lt && x->type == TY_INT) return ex2(g, P_le, y, x);
  if (a->prim == P_le && x->type == TY_INT) return ex2(g, P_lt, y, x);
  return NULL;
}

static bool opposite(Expr *a, Expr *b) {
  return (ex_is_prim(a, P_not) && a->args[0] == b) || (ex_is_prim(b, P_not) && b->args[0] == a) ||
         (ex_is_prim(a, P_eq) && ex_is_prim(b, P_ne) && a->args[0] == b->args[0] &&
          a->args[1] == b->args[1]) ||
         (ex_is_prim(a, P_ne) && ex_is_prim(b, P_eq) && a->args[0] == b->args[0] &&
          a->args[1] == b->args[1]);
}

/* Is x one of the operands of the chain `chain` of p? (a few levels) */
static bool in_chain(Prim p, Expr *chain, Expr *x) {
  for (int depth = 0; depth < 32; depth++) {
    if (chain == x) return true;
    if (!ex_is_prim(chain, p)) return false;
    if (chain->args[1] == x) return true;
    chain = chain->args[0];
  }
  return false;
}

static Expr *fold_logic(Graph *g, Prim p, Expr *a, Expr *b) {
  bool neutral = p == P_and; /* true and x = x, false or x = x */
  if (is_bool(a, neutral)) return b;
  if (is_bool(b, neutral)) return a;
  if (is_bool(a, !neutral) || is_bool(b, !neutral)) return ex_bool(g, !neutral);
  if (in_chain(p, a, b)) return a;
  return opposite(a, b) ? ex_bool(g, !neutral) : NULL;
}

static Expr *fold_compare_bools(Graph *g, Prim p, Expr *a, Expr *b) {
  if (p == P_lt || p == P_le) return NULL;
  if (a == b) return ex_bool(g, p == P_eq);
  if (a->kind == E_BOOL) {
    Expr *t = a;
    a = b;
    b = t;
  }
  if (b->kind != E_BOOL) return NULL;
  return (b->inum != 0) == (p == P_eq) ? a : ex1(g, P_not, a);
}

static Expr *fold_select(Graph *g, Expr *c, Expr *x, Expr *y) {
  if (c->kind == E_BOOL) return c->inum ? x : y;
  if (x == y) return x;
  if (ex_is_prim(c, P_not)) return ex3(g, P_select, c->args[0], y, x);
  if (ex_is_prim(x, P_select) && x->args[0] == c) return ex3(g, P_select, c, x->args[1], y);
  if (ex_is_prim(y, P_select) && y->args[0] == c) return ex3(g, P_select, c, x, y->args[2]);
  if (x->type != TY_BOOL) return NULL;
  if (is_bool(x, true)) return ex2(g, P_or, c, y);
  if (is_bool(y, false)) return ex2(g, P_and, c, x);
  if (is_bool(x, false)) return ex2(g, P_and, ex1(g, P_not, c), y);
  if (is_bool(y, true)) return ex2(g, P_or, ex1(g, P_not, c), x);
  return NULL;
}

/* int(real(i)) = i, and the floor that `int` takes anyway. */
static Expr *fold_to_int(Graph *g, Expr *a) {
  if (ex_is_prim(a, P_real) && a->args[0]->type == TY_INT) return a->args[0];
  if (ex_is_prim(a, P_floor)) return ex1(g, P_int, a->args[0]);
  return NULL;
}

Expr *ex_prim(Graph *g, Prim p, Expr *const *args) {
  const PrimInfo *info = prim_info(p);
  Type type = type_of(p, args);
  bool known = true;
  for (int i = 0; i < info->arity; i++) known = known && constant(args[i]);
  Expr *e = known ? fold_constants(g, p, args) : NULL;
  if (e) return e;
  Expr *pair[2] = {args[0], info->arity > 1 ? args[1] : args[0]};
  switch (info->sig) {
  case SIG_NUM:
    e = type == TY_REAL ? fold_real(g, p, pair[0], pair[1]) : fold_int(g, p, pair);
    break;
  case SIG_REAL: e = fold_real(g, p, pair[0], pair[1]); break;
  case SIG_CMP:
    if (pair[0]->type == TY_INT)
      e = linear_fold(g, p, pair);
    else if (pair[0]->type == TY_BOOL)
      e = fold_compare_bools(g, p, pair[0], pair[1]);
    break;
  case SIG_LOGIC: e = p == P_not ? fold_not(g, args[0]) : fold_logic(g, p, args[0], args[1]); break;
  case SIG_SEL: e = fold_select(g, args[0], args[1], args[2]); break;
  case SIG_TOINT: e = fold_to_int(g, args[0]); break;
  case SIG_TOREAL:
  case SIG_DRAW:
  case SIG_PICK: break;
  }
  return e ? e : raw(g, p, args);
}

Expr *ex1(Graph *g, Prim p, Expr *a) { return ex_prim(g, p, &a); }

Expr *ex2(Graph *g, Prim p, Expr *a, Expr *b) {
  Expr *args[2] = {a, b};
  return ex_prim(g, p, args);
}

Expr *ex3(Graph *g, Prim p, Expr *a, Expr *b, Expr *c) {
  Expr *args[3] = {a, b, c};
  return ex_prim(g, p, args);
}

Expr *ex_and(Graph *g, Expr *a, Expr *b) {
  if (!a) return b;
  if (!b) return a;
  return ex2(g, P_and, a, b);
}
