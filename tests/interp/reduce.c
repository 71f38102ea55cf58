/* SPDX-License-Identifier: MIT */
/* Reducers: every point of their own indices, in order, where the conditions hold. */
#include <math.h>
#include <string.h>

#include "tests/interp/internal.h"

/* `k`, `k in ..`, or a prefix: `k <= l` */
const char *bound_by(const AItem *it) {
  if (it->var) return it->var;
  if (!it->expr) return NULL;
  if (it->expr->kind == A_NAME) return it->expr->name;
  bool prefix = it->expr->kind == A_BINARY && it->expr->a->kind == A_NAME;
  return prefix ? it->expr->a->name : NULL;
}

typedef struct Terms {
  Number *at;
  int64_t *position;
  int n;
} Terms;

static bool taken(Context *c, const AExpr *e) {
  for (int i = 0; i < e->items.n; i++) {
    const AExpr *x = e->items.at[i].expr;
    if (x && x->kind == A_BINARY && !eval_number(c, x, false).whole) return false;
  }
  return !e->guard || eval_number(c, e->guard, false).whole;
}

static Frame own_indices(Context *c, const AExpr *e) {
  Frame f = {.outer = c->frame};
  const AExpr *where[MAX_INDICES + 2] = {e->a, e->guard};
  int n = 2;
  for (int i = 0; i < e->items.n; i++)
    if (e->items.at[i].expr && e->items.at[i].expr->kind == A_BINARY)
      where[n++] = e->items.at[i].expr;
  for (int i = 0; i < e->items.n; i++) {
    const AItem *it = &e->items.at[i];
    const char *name = bound_by(it);
    if (!name || f.n == MAX_INDICES) UNCOVERED(c->in, it->span, "this in a reducer's brackets");
    f.at[f.n++] = index_of(c, name, it, where, n, it->span);
  }
  return f;
}

static InterpKind kind_of(Context *c, Frame *f, const AExpr *body) {
  first_point(f);
  c->in->dry++;
  Number x = eval_number(c, body, false);
  c->in->dry--;
  return x.kind;
}

static Terms terms_of(Context *c, Frame *f, const AExpr *e) {
  Terms t = {0};
  int64_t most = 1;
  for (int i = 0; i < f->n; i++) most *= f->at[i].extent;
  t.at = NEWN(c->in->arena, Number, most + 1);
  t.position = NEWN(c->in->arena, int64_t, most + 1);
  bool real = false;
  for (bool more = first_point(f); more; more = next_point(f)) {
    if (!taken(c, e)) continue;
    t.position[t.n] = f->at[0].first + f->at[0].now;
    t.at[t.n] = eval_number(c, e->a, false);
    real = real || t.at[t.n].kind == INTERP_REAL;
    t.n++;
  }
  for (int i = 0; real && i < t.n; i++) t.at[i] = as_real(t.at[i]);
  return t;
}

/* ---- each of them ------------------------------------------------------------------- */

static Number folded(Interp *in, AOp op, const Terms *t, Number start, Span at) {
  Number x = start;
  for (int i = 0; i < t->n; i++) x = i ? binary(in, op, x, t->at[i], false, at) : t->at[0];
  return x;
}

/* The largest or smallest as a constant to shift by. */
static double largest(const Terms *t) {
  double m = -INFINITY;
  for (int i = 0; i < t->n; i++) {
    if (isnan(real_of(t->at[i]))) return real_of(t->at[i]);
    m = fmax(m, real_of(t->at[i]));
  }
  return m;
}

static Number shifted_exp(Interp *in, Number x, double by, Span at) {
  Number d = binary(in, OP_SUB, as_real(x), real_number(by), false, at);
  return apply(in, "exp", &d, 1, at);
}

static Number sum_of_exp(Interp *in, const Terms *t, double by, Span at) {
  Number sum = real_number(0);
  for (int i = 0; i < t->n; i++)
    sum = binary(in, OP_ADD, sum, shifted_exp(in, t->at[i], by, at), false, at);
  return sum;
}

static Number log_sum_exp(Interp *in, const Terms *t, Span at) {
  double m = largest(t);
  if (!isfinite(m)) return real_number(m);
  Number sum = sum_of_exp(in, t, m, at);
  return binary(in, OP_ADD, apply(in, "log", &sum, 1, at), real_number(m), false, at);
}

static Number position_of(Context *c, const Terms *t, bool most, const AExpr *e) {
  if (e->items.n != 1) UNCOVERED(c->in, e->span, "%s over several indices", e->name);
  if (t->n && e->items.at[0].hi) UNCOVERED(c->in, e->span, "%s over a range", e->name);
  int best = -1;
  for (int i = 0; i < t->n; i++) {
    double x = real_of(t->at[i]), y = best < 0 ? 0 : real_of(t->at[best]);
    if (isnan(x)) continue;
    if (best < 0 || (most ? x > y : x < y)) best = i;
  }
  return whole_number(best < 0 ? 0 : t->position[best]);
}

static Number extreme_of(Interp *in, bool most, const Terms *t, InterpKind kind, Span at) {
  if (t->n == 0 && kind == INTERP_WHOLE) UNCOVERED(in, at, "the largest of no integers");
  Number x = t->n ? t->at[0] : real_number(most ? -INFINITY : INFINITY);
  for (int i = 1; i < t->n; i++) x = extreme(in, most, x, t->at[i]);
  return x;
}

static Number mean_of(Interp *in, const Terms *t, Span at) {
  if (t->n == 0) return real_number(0);
  Number sum = folded(in, OP_ADD, t, t->at[0], at);
  return binary(in, OP_DIV, as_real(sum), real_number(t->n), false, at);
}

/* Its indices stay: the value where they are outside. */
static Number softmax(Context *c, Frame *f, const AExpr *e) {
  Interp *in = c->in;
  Terms t = terms_of(c, f, e);
  double m = largest(&t);
  c->frame = f->outer;
  for (int i = 0; i < f->n; i++) {
    const Index *x = find_index(c, f->at[i].name);
    if (!x) UNCOVERED(in, e->span, "softmax over an index that is nowhere else");
    int64_t now = x->first + x->now - f->at[i].first;
    if (now < 0 || now >= f->at[i].extent) return real_number(0);
    f->at[i].now = now;
  }
  c->frame = f;
  if (!taken(c, e)) return real_number(0);
  if (!isfinite(m)) UNCOVERED(in, e->span, "softmax of infinities");
  Number here = shifted_exp(in, eval_number(c, e->a, false), m, e->span);
  return binary(in, OP_DIV, here, sum_of_exp(in, &t, m, e->span), false, e->span);
}

static Number reduced(Context *c, Frame *f, const AExpr *e) {
  Interp *in = c->in;
  Span at = e->span;
#define IS(reducer) (!strcmp(e->name, reducer))
  if (IS("softmax")) return in->dry ? real_number(0) : softmax(c, f, e);
  if (in->dry && (IS("mean") || IS("logsumexp"))) return real_number(0);
  if (in->dry && (IS("argmax") || IS("argmin"))) return whole_number(0);
  if (in->dry && (IS("any") || IS("all"))) return truth(false);
  if (in->dry) return first_point(f), eval_number(c, e->a, false);
  Terms t = terms_of(c, f, e);
  InterpKind kind = t.n ? t.at[0].kind : kind_of(c, f, e->a);
  Number zero = kind == INTERP_WHOLE ? whole_number(0) : real_number(0);
  Number one = kind == INTERP_WHOLE ? whole_number(1) : real_number(1);
  if (IS("sum")) return folded(in, OP_ADD, &t, zero, at);
  if (IS("prod")) return folded(in, OP_MUL, &t, one, at);
  if (IS("any")) return folded(in, OP_OR, &t, truth(false), at);
  if (IS("all")) return folded(in, OP_AND, &t, truth(true), at);
  if (IS("max") || IS("min")) return extreme_of(in, IS("max"), &t, kind, at);
  if (IS("mean")) return mean_of(in, &t, at);
  if (IS("logsumexp")) return log_sum_exp(in, &t, at);
  if (IS("argmax") || IS("argmin")) return position_of(c, &t, IS("argmax"), e);
#undef IS
  UNCOVERED(in, at, "the reducer %s", e->name);
}

Number reduce(Context *c, const AExpr *e) {
  Frame f = own_indices(c, e);
  c->frame = &f;
  Number x = reduced(c, &f, e);
  c->frame = f.outer;
  check_kept(c->in, x, e->span);
  return x;
}

Number sum_over(Context *c, Frame *f, const AExpr *body) {
  Number sum = whole_number(0);
  bool first = true;
  c->frame = f;
  for (bool more = first_point(f); more; more = next_point(f), first = false) {
    Number x = eval_number(c, body, false);
    sum = first ? x : binary(c->in, OP_ADD, sum, x, false, body->span);
  }
  c->frame = f->outer;
  check_kept(c->in, sum, body->span);
  return sum;
}
