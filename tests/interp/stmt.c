/* SPDX-License-Identifier: MIT */
/* Statements: one point of the left side's indices after another, or whole tensors. */
#include "tests/interp/internal.h"

static void left_frame(Context *c, const ATarget *t, const AExpr *e, Frame *f) {
  for (int i = 0; i < t->items.n; i++) {
    const AItem *it = &t->items.at[i];
    const AExpr *x = it->expr;
    int room = it->ellipsis ? c->ndots : 1;
    if (f->n + room > MAX_INDICES) UNCOVERED(c->in, it->span, "so many indices");
    for (int k = 0; it->ellipsis && k < c->ndots; k++)
      f->at[f->n++] = (Index){.extent = c->dots[k].extent, .id = c->dots[k].id, .dots = true};
    if (it->ellipsis) continue;
    const Value *v = x && x->kind == A_NAME ? find_name(c->scope, x->name) : NULL;
    bool extent = x && (x->kind != A_NAME || (v && v->known && !find_letter(c, x->name)));
    if (extent) {
      Index n = {0};
      n.extent = eval_extent(c, x, &n.id);
      f->at[f->n++] = n;
    } else {
      f->at[f->n++] = index_of(c, it->var ? it->var : x->name, it, &e, 1, it->span);
    }
  }
}

/* Each identity once: an axis without one, or with another's, is known by its index. */
static void name_axes(Frame *f) {
  for (int i = 0; i < f->n; i++) {
    for (int j = 0; j < i; j++)
      if (f->at[j].id == f->at[i].id) f->at[i].id = NULL;
    if (!f->at[i].id && f->at[i].name) f->at[i].id = f->at[i].name;
  }
}

static void free_frame(Context *c, const AExpr *e, Frame *f) {
  const char *names[MAX_INDICES];
  int n = free_indices(c, e, names, MAX_INDICES);
  f->outer = c->frame;
  if (n && !is_product(e)) UNCOVERED(c->in, e->span, "a free index %s outside a product", names[0]);
  for (int i = 0; i < n; i++) f->at[f->n++] = index_of(c, names[i], NULL, &e, 1, e->span);
}

static Value at_point(Context *c, Frame *open, const AExpr *e) {
  return open->n ? scalar(sum_over(c, open, e)) : eval(c, e, false);
}

static Value indexed(Context *c, const ATarget *t, const AExpr *e) {
  Frame f = {0}, open = {0};
  Axis axis[MAX_INDICES];
  c->left = t;
  left_frame(c, t, e, &f);
  name_axes(&f);
  if (f.n > MAX_RANK) UNCOVERED(c->in, t->span, "so many axes");
  for (int k = 0; k < f.n; k++) axis[k] = (Axis){f.at[k].extent, f.at[k].id};
  Value out = tensor(c->in, f.n, axis);
  c->frame = &f;
  free_frame(c, e, &open);
  int64_t i = 0;
  for (bool more = first_point(&f); more; more = next_point(&f), i++) {
    Value v = at_point(c, &open, e);
    if (v.kind != V_TENSOR || v.rank) UNCOVERED(c->in, e->span, "a whole tensor at one place");
    cells(&out)[i] = v.one;
    if (i == 0) out.bound = v.bound, out.id = v.bound ? v.id : NULL;
    if (out.bound != v.bound) out.bound = 0;
  }
  return out;
}

Value assigned(Context *c, const ATarget *t, const AExpr *e) {
  Frame open = {0};
  c->frame = NULL;
  c->left = NULL;
  Value v;
  if (t->indexed) {
    v = indexed(c, t, e);
  } else {
    free_frame(c, e, &open);
    v = at_point(c, &open, e);
  }
  c->frame = NULL;
  c->left = NULL;
  c->calls.n = 0;
  if (v.kind != V_TENSOR) return v;
  agree(&v);
  for (int64_t i = 0; i < count_of(&v) && !v.known; i++) check_kept(c->in, cells(&v)[i], t->span);
  return v;
}

static void run_assign(Context *c, const AStmt *s) {
  Value v = assigned(c, &s->targets.at[0], s->value);
  if (s->targets.n == 1) {
    if (v.kind != V_TENSOR) UNCOVERED(c->in, s->span, "this value");
    define(c->in, c->scope, s->targets.at[0].name, v);
    return;
  }
  if (v.kind != V_PACK || v.nparts != s->targets.n) UNCOVERED(c->in, s->span, "several results");
  for (int i = 0; i < s->targets.n; i++) define(c->in, c->scope, s->targets.at[i].name, v.parts[i]);
}

void run_body(Context *c, const AStmts *body) {
  static const ATarget number = {.indexed = false};
  for (int i = 0; i < body->n; i++) {
    const AStmt *s = body->at[i];
    switch (s->kind) {
    case S_ASSIGN: run_assign(c, s); break;
    case S_PARAM: run_param(c, s); break;
    case S_FOR: run_loop(c, s); break;
    case S_MINIMIZE:
      c->in->objective = assigned(c, &number, s->value);
      c->in->has_objective = true;
      break;
    case S_LOG: break;
    case S_DRAW: UNCOVERED(c->in, s->span, "draws");
    case S_REPORT:
    case S_STATE:
    case S_EMIT:
    case S_ERROR: UNCOVERED(c->in, s->span, "this statement");
    }
  }
}
