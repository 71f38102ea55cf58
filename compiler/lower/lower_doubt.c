/* SPDX-License-Identifier: MIT */
/* Warnings about indices that say something, and most likely not what was meant: one that a product
 * sums over though a single factor has it, and a position that divides, where it is 0. */
#include <string.h>

#include "compiler/ir/linear.h"
#include "compiler/lower/domain.h"
#include "compiler/lower/index.h"

enum { W_ONCE = 905, W_POSITION = 906 };

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

void doubt_single_use(Lowering *l, const Frame *f, const AExpr *e) {
  const char *all = NULL;
  for (int i = 0; i < f->vars.n; i++)
    if (f->vars.at[i].implicit)
      all = all ? arena_printf(l->arena, "%s,%s", all, f->vars.at[i].name) : f->vars.at[i].name;
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
