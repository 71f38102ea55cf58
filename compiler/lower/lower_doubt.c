/* SPDX-License-Identifier: MIT */
/* Warnings about indices that say something, and most likely not what was meant: one that a product
 * sums over though a single factor has it, one whose product is a function's argument, so that the
 * function's values are summed, and a position that divides, where it is 0. */
#include <string.h>

#include "compiler/ir/linear.h"
#include "compiler/lower/domain.h"
#include "compiler/lower/index.h"

enum { W_ONCE = 905, W_POSITION = 906, W_WITHIN = 909 };

/* ---- an index that occurs once ------------------------------------------------------ */

static bool binds(const AExpr *reduce, const char *name) {
  for (int i = 0; i < reduce->items.n; i++) {
    const AItem *it = &reduce->items.at[i];
    const AExpr *e = it->expr && it->expr->kind == A_BINARY ? it->expr->a : it->expr;
    if (it->var == name || (e && e->kind == A_NAME && e->name == name)) return true;
  }
  return false;
}

/* How often e names the index, other than for its extent. */
static int uses(const AExpr *e, const char *name) {
  if (!e) return 0;
  if (e->kind == A_NAME) return e->name == name;
  if (e->kind == A_REDUCE && binds(e, name)) return 0;
  if (e->kind == A_CALL && e->a->kind == A_NAME && !strcmp(e->a->name, "extent")) return 0;
  int n = uses(e->a, name) + uses(e->b, name) + uses(e->c, name) + uses(e->guard, name);
  for (int i = 0; i < e->args.n; i++) n += uses(e->args.at[i].value, name);
  for (int i = 0; i < e->items.n; i++)
    n += uses(e->items.at[i].expr, name) + uses(e->items.at[i].other, name);
  return n;
}

/* The indices that are summed over, as a prefix names them. */
static const char *summed(Lowering *l, const Frame *f) {
  const char *all = NULL;
  for (int i = 0; i < f->vars.n; i++)
    if (f->vars.at[i].implicit)
      all = all ? arena_printf(l->arena, "%s,%s", all, f->vars.at[i].name) : f->vars.at[i].name;
  return all;
}

static void doubt_single_use(Lowering *l, const Frame *f, const AExpr *e) {
  const char *all = summed(l, f);
  for (int i = 0; i < f->vars.n; i++) {
    const IndexVar *v = &f->vars.at[i];
    if (!v->implicit || uses(e, v->name) != 1) continue;
    Diag *x =
        lower_warn(l, W_ONCE, v->span, "index '%s' occurs only here, and is summed over", v->name);
    StrBuf b = {0};
    ast_print_expr(e, &b);
    diag_hint(l->d, x, "if that is meant, say it: sum[%s](%s)", all, b.s);
    sb_free(&b);
  }
}

/* ---- a product within a function ---------------------------------------------------------- */

/* Functions whose values over the terms of a product are summed on purpose: |x w| of a norm,
 * sqrt(p q) of an overlap, log(p q) of a likelihood; and those that a sum passes through. */
static bool commonly_summed(const AExpr *callee) {
  static const char *const names[] = {"abs", "sqrt", "log", "real", "int", "extent"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (callee->kind == A_NAME && !strcmp(callee->name, names[i])) return true;
  return false;
}

/* Of a product's factors, how many are tensors at the index. */
static int factors_with(const AExpr *e, const char *name) {
  if (e->kind == A_BINARY && e->op == OP_MUL)
    return factors_with(e->a, name) + factors_with(e->b, name);
  if ((e->kind == A_BINARY && e->op == OP_DIV) || (e->kind == A_UNARY && e->op == OP_NEG))
    return factors_with(e->a, name);
  return e->kind == A_INDEX && uses(e, name) > 0;
}

/* A product in e, functions and sums around it or not, that has the index twice or more. */
static const AExpr *product_with(const AExpr *e, const char *name) {
  if (!e || (e->kind == A_REDUCE && binds(e, name)) || e->kind == A_INDEX) return NULL;
  if (factors_with(e, name) > 1) return e;
  const AExpr *found = product_with(e->a, name);
  if (!found) found = product_with(e->b, name);
  if (!found) found = product_with(e->c, name);
  for (int i = 0; i < e->args.n && !found; i++) found = product_with(e->args.at[i].value, name);
  return found;
}

/* The factor of the product e that is a function of such a product; the index is nowhere else. */
static void doubt_within(Lowering *l, const char *all, const IndexVar *v, const AExpr *factor,
                         const AExpr *e) {
  if (factor->kind == A_BINARY) {
    doubt_within(l, all, v, factor->a, e);
    doubt_within(l, all, v, factor->b, e);
    return;
  }
  if (factor->kind == A_UNARY) {
    doubt_within(l, all, v, factor->a, e);
    return;
  }
  if (factor->kind != A_CALL || commonly_summed(factor->a)) return;
  const AExpr *product = product_with(factor, v->name);
  if (!product || uses(factor, v->name) != uses(e, v->name)) return;
  StrBuf callee = {0}, inner = {0}, whole = {0};
  ast_print_expr(factor->a, &callee);
  ast_print_expr(product, &inner);
  ast_print_expr(e, &whole);
  Diag *x = lower_warn(l, W_WITHIN, factor->span,
                       "the values of '%s' are summed over '%s', not the product within it",
                       callee.s, v->name);
  diag_hint(l->d, x, "the sum goes into '%s': sum[%s](%s); if its values are meant: sum[%s](%s)",
            callee.s, v->name, inner.s, all, whole.s);
  sb_free(&callee);
  sb_free(&inner);
  sb_free(&whole);
}

void doubt_implicit_sum(Lowering *l, const Frame *f, const AExpr *e) {
  doubt_single_use(l, f, e);
  const char *all = summed(l, f);
  for (int i = 0; i < f->vars.n; i++)
    if (f->vars.at[i].implicit) doubt_within(l, all, &f->vars.at[i], e, e);
}

/* ---- a position that divides ----------------------------------------------------------- */

/* The integer that makes the number e 0 where it is 0; NULL: none found. */
static Expr *zero_with(Expr *e) {
  if (e->kind != E_PRIM) return NULL;
  if (e->prim == P_real && e->args[0]->type == TY_INT) return e->args[0];
  if (e->prim == P_sqrt || e->prim == P_abs || e->prim == P_neg) return zero_with(e->args[0]);
  if (e->prim != P_mul) return NULL;
  Expr *i = zero_with(e->args[0]);
  return i ? i : zero_with(e->args[1]);
}

/* Is e a multiple of one index, and something, that is 0 somewhere? *at: where, of the variable. */
static bool zero_of_index(Lowering *l, Expr *e, int *var, int64_t *at) {
  Linear s;
  linear_init(&s);
  if (!linear_add(&s, e, 1) || s.n != 1 || s.term[0].atom->kind != E_VAR) return false;
  *var = (int)s.term[0].atom->inum;
  if (s.constant % s.term[0].coef != 0) return false;
  *at = -(s.constant / s.term[0].coef);
  return *at >= 0 && *at < l->var_extent.at[*var];
}

static const IndexVar *index_of(const Lowering *l, int var) {
  for (const Frame *f = l->frame; f; f = f->parent)
    for (int i = 0; i < f->vars.n; i++)
      if (f->vars.at[i].var == var) return &f->vars.at[i];
  return NULL;
}

void doubt_division(Lowering *l, Expr *divisor, Span at) {
  Expr *i = zero_with(divisor);
  int var;
  int64_t zero;
  if (!i || !zero_of_index(l, i, &var, &zero) || whole_nonzero(l, i)) return;
  const IndexVar *v = index_of(l, var);
  const char *name = l->var_name.at[var];
  if (!name) return;
  long long where = (long long)(zero + (v ? v->start : 0));
  Diag *x =
      lower_warn(l, W_POSITION, at, "this divides by 0 where the index '%s' is %lld", name, where);
  diag_hint(l->d, x,
            "'%s' is a position here, extent(%s) how far it runs; where the position is meant, "
            "%s != %lld ? ... : ... leaves this one out",
            name, name, name, where);
}
