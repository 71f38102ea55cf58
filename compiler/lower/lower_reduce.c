/* SPDX-License-Identifier: MIT */
/* Reducers. Each becomes a comprehension of its own over the variables its body
 * depends on; mean, softmax, logsumexp, any and all are spelled with the basic
 * ones, numerically safe. */
#include <math.h>
#include <string.h>

#include "compiler/lower/domain.h"
#include "compiler/lower/index.h"
#include "compiler/lower/lower.h"
#include "compiler/lower/scope.h"
#include "compiler/lower/value.h"

static const char *const reducers[] = {"sum",    "max",       "min",     "prod",
                                       "mean",   "any",       "all",     "argmax",
                                       "argmin", "logsumexp", "softmax", "categorical"};

bool is_reducer(const char *name) {
  for (size_t i = 0; i < sizeof reducers / sizeof *reducers; i++)
    if (!strcmp(reducers[i], name)) return true;
  return false;
}

/* Places and what each of them reduces, together: may there be so many? */
static bool steps_fit(Lowering *l, const int *outer, int nouter, const int *vars, int n, Span at) {
  int64_t steps = 1;
  bool fit = true;
  for (int i = 0; i < nouter + n && fit; i++)
    fit = mul_fits(steps, l->var_extent.at[i < nouter ? outer[i] : vars[i - nouter]], &steps);
  if (!fit) lower_error(l, 216, at, "this reduction would take more than 2^63 steps");
  return fit;
}

Value *reduce_vars(Lowering *l, Reducer red, const int *vars, int n, Expr *guard, Expr *body,
                   const char *name, Span at) {
  Ints free = {0}, outer = {0};
  if (guard)
    guard = defined_everywhere(l, guard);
  else
    body = defined_everywhere(l, body);
  free_vars(l, body, &free);
  if (guard) free_vars(l, guard, &free);
  for (int i = 0; i < free.n; i++) {
    bool again = false;
    for (int k = 0; k < n; k++) again = again || vars[k] == free.at[i];
    for (int k = 0; k < outer.n; k++) again = again || outer.at[k] == free.at[i];
    if (!again) vec_push(l->arena, &outer, free.at[i]);
  }
  /* free_vars twice may have broken the ascending order */
  for (int i = 1; i < outer.n; i++)
    for (int j = i; j > 0 && outer.at[j] < outer.at[j - 1]; j--) {
      int t = outer.at[j];
      outer.at[j] = outer.at[j - 1];
      outer.at[j - 1] = t;
    }
  if (outer.n > IR_MAX_RANK || outer.n + n > IR_MAX_VARS) {
    lower_error(l, 215, at, "this reduction runs over more than %d indices", IR_MAX_VARS);
    return v_poison(l);
  }
  if (!steps_fit(l, outer.at, outer.n, vars, n, at)) return v_poison(l);
  int64_t extent[IR_MAX_VARS];
  int from[IR_MAX_VARS];
  Expr *to[IR_MAX_VARS], *index[IR_MAX_RANK];
  for (int i = 0; i < outer.n + n; i++) {
    from[i] = i < outer.n ? outer.at[i] : vars[i - outer.n];
    extent[i] = l->var_extent.at[from[i]];
    to[i] = ex_var(l->g, i);
    if (i < outer.n) index[i] = ex_var(l->g, from[i]);
  }
  Node *node = ir_comp(l->g, l->region, name, at, outer.n, n, extent, red,
                       guard ? subst_vars(l, guard, from, to, outer.n + n) : NULL,
                       subst_vars(l, body, from, to, outer.n + n));
  for (int i = 0; i < outer.n; i++) node->axis[i] = l->var_name.at[outer.at[i]];
  if (!whole_kept(l, node, at)) return v_poison(l);
  Value *v = v_scalar(l, ex_read(l->g, node, index));
  v->span = at;
  return v;
}

/* A lambda over the free variables of e, made a node, read back at the same place. */
static Expr *held(Lowering *l, Expr *e, const char *name, Span at) {
  return value_bind(l, v_scalar(l, e), name, at)->e;
}

static void stop_gradient(Lowering *l, Expr *read) {
  if (read->kind == E_READ) read->node->vjp = NEW(l->arena, Vjp);
}

/* The maximum that is subtracted before exp: a constant to differentiation, and 0 where
 * everything is -inf or masked, so that exp sees no inf - inf; with `either` also where
 * it is inf, where a softmax has no value, but a sum of exp has: inf. */
static Expr *shift(Lowering *l, const int *vars, int n, Expr *guard, Expr *x, bool either,
                   const char *name, Span at) {
  Value *m = reduce_vars(l, RED_MAX, vars, n, guard, x, arena_printf(l->arena, "%s.max", name), at);
  if (m->kind == V_POISON) return ex_num(l->g, 0);
  stop_gradient(l, m->e);
  Expr *none = either ? ex2(l->g, P_eq, ex1(l->g, P_abs, m->e), ex_num(l->g, INFINITY))
                      : ex2(l->g, P_eq, m->e, ex_num(l->g, -INFINITY));
  return ex3(l->g, P_select, none, ex_num(l->g, 0), m->e);
}

static Value *softmax(Lowering *l, const int *vars, int n, Expr *guard, Expr *x, const char *name,
                      Span at) {
  bool partial = guard || defined_everywhere(l, x) != x; /* may a row be empty? */
  Expr *m = shift(l, vars, n, guard, x, false, name, at);
  Expr *p = ex1(l->g, P_exp, ex2(l->g, P_sub, x, m));
  if (guard) p = ex3(l->g, P_select, guard, p, ex_num(l->g, 0));
  p = held(l, p, arena_printf(l->arena, "%s.exp", name), at);
  Value *z = reduce_vars(l, RED_SUM, vars, n, NULL, p, arena_printf(l->arena, "%s.sum", name), at);
  if (z->kind == V_POISON) return z;
  Expr *r = ex2(l->g, P_div, ex_num(l->g, 1), z->e);
  if (partial) r = ex3(l->g, P_select, ex2(l->g, P_eq, z->e, ex_num(l->g, 0)), ex_num(l->g, 0), r);
  r = held(l, r, arena_printf(l->arena, "%s.scale", name), at);
  return v_scalar(l, ex2(l->g, P_mul, p, r));
}

static Value *logsumexp(Lowering *l, const int *vars, int n, Expr *guard, Expr *x, const char *name,
                        Span at) {
  Expr *m = shift(l, vars, n, guard, x, true, name, at);
  Expr *p = ex1(l->g, P_exp, ex2(l->g, P_sub, x, m));
  Value *z = reduce_vars(l, RED_SUM, vars, n, guard, p, arena_printf(l->arena, "%s.sum", name), at);
  if (z->kind == V_POISON) return z;
  return v_scalar(l, ex2(l->g, P_add, m, ex1(l->g, P_log, z->e)));
}

static Value *apply(Lowering *l, const char *red, const int *vars, int n, Expr *guard, Expr *x,
                    const AExpr *e) {
  const char *name = arena_printf(l->arena, "%s.%s", l->stmt_name ? l->stmt_name : "value", red);
  Span at = e->span;
  bool truth = !strcmp(red, "any") || !strcmp(red, "all");
  if (truth != (x->type == TY_BOOL)) {
    Diag *d = lower_error(l, 307, e->a->span,
                          truth ? "'%s' reduces truth values, this is a number"
                                : "'%s' reduces numbers, this is a truth value",
                          red);
    if (!truth) diag_hint(l->d, d, "count with  condition ? 1 : 0");
    return v_poison(l);
  }
  if (truth) {
    bool any = !strcmp(red, "any");
    Expr *b = ex3(l->g, P_select, x, ex_int(l->g, 1), ex_int(l->g, 0));
    if (guard) b = ex3(l->g, P_select, guard, b, ex_int(l->g, any ? 0 : 1));
    Value *v = reduce_vars(l, any ? RED_MAX : RED_MIN, vars, n, NULL, b, name, at);
    return v->kind == V_POISON ? v : v_scalar(l, ex2(l->g, P_eq, v->e, ex_int(l->g, 1)));
  }
  if (!strcmp(red, "sum")) return reduce_vars(l, RED_SUM, vars, n, guard, x, name, at);
  if (!strcmp(red, "max")) return reduce_vars(l, RED_MAX, vars, n, guard, x, name, at);
  if (!strcmp(red, "min")) return reduce_vars(l, RED_MIN, vars, n, guard, x, name, at);
  if (!strcmp(red, "prod")) return reduce_vars(l, RED_PROD, vars, n, guard, x, name, at);
  Value *r = v_scalar(l, to_real(l, x));
  x = r->e;
  if (!strcmp(red, "softmax")) return softmax(l, vars, n, guard, x, name, at);
  if (!strcmp(red, "logsumexp")) return logsumexp(l, vars, n, guard, x, name, at);
  if (!strcmp(red, "mean")) {
    Value *sum = reduce_vars(l, RED_SUM, vars, n, guard, x, name, at);
    if (sum->kind == V_POISON) return sum;
    double count = 1;
    for (int k = 0; k < n; k++) count *= (double)l->var_extent.at[vars[k]];
    if (!guard) return v_scalar(l, ex2(l->g, P_mul, sum->e, ex_num(l->g, 1.0 / count)));
    Value *c = reduce_vars(l, RED_SUM, vars, n, guard, ex_num(l->g, 1),
                           arena_printf(l->arena, "%s.count", name), at);
    if (c->kind == V_POISON) return c;
    return v_scalar(l, ex2(l->g, P_div, sum->e, ex2(l->g, P_max, c->e, ex_num(l->g, 1))));
  }
  /* argmax, argmin, categorical: a position */
  if (n != 1) {
    Diag *d =
        lower_error(l, 217, aexpr_name_span(e),
                    "'%s' runs over exactly one index, not %d: its value is a position", red, n);
    diag_hint(l->d, d, "reduce the others first: %s[i](max[j](x[i,j]))", red);
    return v_poison(l);
  }
  if (!strcmp(red, "argmin")) x = ex1(l->g, P_neg, x);
  if (!strcmp(red, "categorical")) {
    Fn *gumbel = find_fn(l, l->core, intern(l->names, "gumbel")); /* the file may have another */
    Value *noise = gumbel ? call_fn(l, gumbel, NULL, NULL, NULL, 0, at) : v_poison(l);
    if (noise->kind != V_TENSOR) return v_poison(l);
    x = ex2(l->g, P_add, x, noise->e);
  }
  return reduce_vars(l, RED_ARGMAX, vars, n, guard, x, name, at);
}

static Value *no_reducer(Lowering *l, Scope *s, const AExpr *e) {
  Diag *x = lower_error(l, 218, aexpr_name_span(e), "'%s' is no reducer", e->name);
  if (find_fn(l, s, e->name))
    diag_hint(l->d, x, "'%s' is a function, called without brackets: %s(...)", e->name, e->name);
  else if (!diag_hint_near(l->d, x, e->name, reducers, (int)(sizeof reducers / sizeof *reducers)))
    diag_hint(
        l->d, x,
        "reducers are sum max min prod mean any all argmax argmin logsumexp softmax categorical");
  return v_poison(l);
}

/* The conditions under which a reducer takes an index: all hold together. */
typedef struct Conditions {
  Expr *guard; /* NULL: none */
  Expr *part[IR_MAX_VARS + 1];
  int n;
} Conditions;

static void add_condition(Lowering *l, Conditions *c, const Value *v) {
  Expr *e = v_expr(l, v);
  c->guard = ex_and(l->g, c->guard, e);
  if (c->n < (int)(sizeof c->part / sizeof *c->part)) c->part[c->n++] = e;
  fact_push(l, e, true);
}

/* Those of the prefix, `sum[i < j, k]`, and the guard. False after an error. */
static bool conditions_of(Lowering *l, Scope *s, const AExpr *e, Conditions *c) {
  bool ok = true;
  for (int i = 0; i < e->items.n; i++) {
    const AItem *it = &e->items.at[i];
    if (!it->expr || it->expr->kind != A_BINARY) continue;
    Value *v = lower_expr(l, s, it->expr);
    if (v->kind == V_TENSOR && v->rank)
      lower_error(l, 307, it->expr->span,
                  "a reducer's prefix compares its index with one number, this has the axes %s",
                  shape_text(l, v));
    if (v->kind != V_POISON && v_scalar_like(v))
      add_condition(l, c, v);
    else
      ok = false;
  }
  if (!e->guard) return ok;
  Value *v = lower_expr(l, s, e->guard);
  if (v->kind == V_POISON) return false;
  if (!v_scalar_like(v) || v_type(v) != TY_BOOL) {
    lower_error(l, 307, e->guard->span, "a reducer's guard is a condition on its indices");
    return false;
  }
  add_condition(l, c, v);
  return ok;
}

/* Is the body one number for each index? Else an error. */
static bool reducible(Lowering *l, const AExpr *e, const Value *body) {
  if (body->kind == V_POISON || !usable(l, body, e->a->span)) return false;
  if (v_scalar_like(body)) return true;
  Diag *x = lower_error(l, 206, e->a->span, "the body of '%s' still has the axes %s", e->name,
                        shape_text(l, body));
  diag_hint(l->d, x, "index every tensor in it");
  return false;
}

/* Does the index that softmax keeps run where the statement's does? Else an error. */
static bool same_run(Lowering *l, const IndexVar *v, const IndexVar *o) {
  if (v->extent == o->extent && v->start == o->start) return true;
  const char *runs[2];
  const IndexVar *both[2] = {o, v};
  for (int i = 0; i < 2; i++)
    runs[i] = both[i]->start ? arena_printf(l->arena, "%lld : %lld", (long long)both[i]->start,
                                            (long long)(both[i]->start + both[i]->extent))
                             : extent_text(l, both[i]->id, both[i]->extent);
  Diag *x = lower_error(l, 204, v->span, "index '%s' has two extents: %s and %s", v->name, runs[0],
                        runs[1]);
  if (o->origin.line) diag_label(l->d, x, o->origin, "%s", o->origin_text);
  if (v->origin.line) diag_label(l->d, x, v->origin, "%s", v->origin_text);
  diag_hint(l->d, x,
            "softmax keeps its index, so it is the statement's own; write its range once, on the "
            "left: %s in %lld",
            v->name, (long long)(v->ranged && !v->start ? v : o)->extent);
  return false;
}

/* softmax[s] leaves s free: it is the statement's own s. NULL after an error. */
static Expr **kept_indices(Lowering *l, const AExpr *e, const Frame *f, Frame *outer) {
  Expr **map = NEWN(l->arena, Expr *, l->var_extent.n);
  for (int i = 0; i < f->vars.n; i++) {
    const IndexVar *v = &f->vars.at[i], *o = v->name ? frame_find(outer, v->name) : NULL;
    if (!o) {
      const char *k = f->vars.at[0].name ? f->vars.at[0].name : "k";
      Diag *x = lower_error(l, 219, aexpr_name_span(e),
                            "softmax keeps its index '%s', which the statement does not have", k);
      diag_hint(l->d, x, "give it to the left side: p[.., %s] = softmax[%s](...)", k, k);
      return NULL;
    }
    if (!same_run(l, v, o)) return NULL;
    map[v->var] = ex_var(l->g, o->var);
  }
  return map;
}

/* The reducer over the indices of f, within the frame `outer`. */
static Value *reduce(Lowering *l, Scope *s, const AExpr *e, const Frame *f, Frame *outer) {
  int facts = l->facts.n;
  Conditions c = {0};
  bool ok = conditions_of(l, s, e, &c);
  if (c.guard && ok) domain_guard(l, e, c.part, c.n);
  Value *body = lower_expr(l, s, e->a);
  l->facts.n = facts;
  if (!ok || !reducible(l, e, body)) return v_poison(l);
  int vars[IR_MAX_VARS], n = 0, extents = l->var_extent.n;
  if (f->vars.n > IR_MAX_VARS) {
    lower_error(l, 215, e->span, "this reduction runs over more than %d indices", IR_MAX_VARS);
    return v_poison(l);
  }
  for (int i = 0; i < f->vars.n; i++) vars[n++] = f->vars.at[i].var;
  Expr **kept = NULL;
  if (!strcmp(e->name, "softmax")) {
    kept = kept_indices(l, e, f, outer);
    if (!kept) return v_poison(l);
    domain_softmax(l, e, vars, n);
  }
  Value *out = apply(l, e->name, vars, n, c.guard, v_expr(l, body), e);
  if (kept && out->kind == V_TENSOR) out->e = ex_subst(l->g, out->e, kept, extents);
  return out;
}

Value *lower_reduce(Lowering *l, Scope *s, const AExpr *e) {
  if (!is_reducer(e->name)) return no_reducer(l, s, e);
  Frame *f = frame_of(l, e);
  if (!f) f = infer_alone(l, s, e);
  if (!f) return v_poison(l);
  Frame *outer = l->frame;
  f->parent = outer;
  l->frame = f;
  Value *out = reduce(l, s, e, f, outer);
  l->frame = outer;
  return out;
}
