/* SPDX-License-Identifier: MIT */
/* Loops: `for i in N { h = layer(h) }` over layers and `scan t carry ...` over
 * time. Both become one loop of the graph; names that exist before the loop and
 * are assigned in it are carried. Parameters made in a `for` are stacked over
 * it, those made in a `scan` are shared by its steps. */
#include <string.h>

#include "compiler/lower/index.h"
#include "compiler/lower/lower.h"
#include "compiler/lower/scope.h"
#include "compiler/lower/value.h"

typedef VEC(const char *) Names;

static bool in_binds(const ABinds *b, const char *name) {
  for (int i = 0; i < b->n; i++)
    if (b->at[i].target.name == name) return true;
  return false;
}

/* Names assigned in the body that the enclosing function knows already. */
static void find_carried(Lowering *l, Scope *s, const AStmts *body, const AStmt *loop, Names *out) {
  for (int i = 0; i < body->n; i++) {
    const AStmt *st = body->at[i];
    if (st->kind == S_FOR) {
      find_carried(l, s, &st->body, loop, out);
      continue;
    }
    if (st->kind != S_ASSIGN && st->kind != S_DRAW) continue;
    for (int k = 0; k < st->targets.n; k++) {
      const char *name = st->targets.at[k].name;
      bool outer = false, known = in_binds(&loop->carries, name);
      for (Scope *q = s; q && !outer; q = q->function ? NULL : q->parent)
        outer = scope_here(q, name) != NULL;
      for (int j = 0; j < out->n; j++) known = known || out->at[j] == name;
      if (outer && !known) vec_push(l->arena, out, name);
    }
  }
}

/* Does the reducer e make an index of that name, which then is none of the loop's? */
static bool hides(const AExpr *e, const char *var) {
  for (int i = 0; e->kind == A_REDUCE && i < e->items.n; i++) {
    const AExpr *x = e->items.at[i].expr;
    if (x && x->kind == A_BINARY) x = x->a;
    if (e->items.at[i].var == var || (x && x->kind == A_NAME && x->name == var)) return true;
  }
  return false;
}

/* What the axes say that the loop's index indexes alone. */
typedef struct LoopUse {
  const char *var;
  int64_t extent; /* -1: none so far */
  Span at;        /* of the first */
  bool wrong;     /* they differ, which is reported */
} LoopUse;

static void another_use(Lowering *l, LoopUse *u, int64_t extent, Span at) {
  if (u->extent < 0) {
    u->extent = extent;
    u->at = at;
  }
  if (u->extent == extent || u->wrong) return;
  Diag *x = lower_error(l, 204, at, "the loop's index '%s' has two extents: %lld and %lld", u->var,
                        (long long)u->extent, (long long)extent);
  diag_label(l->d, x, u->at, "%lld", (long long)u->extent);
  diag_label(l->d, x, at, "%lld", (long long)extent);
  diag_hint(l->d, x, "write how far it runs: scan %s in %lld", u->var,
            (long long)min_of(u->extent, extent));
  u->wrong = true;
}

/* The axis that the read e indexes with it alone. */
static void indexed_with(Lowering *l, Scope *s, const AExpr *e, LoopUse *u) {
  Binding *b = e->kind == A_INDEX && e->a->kind == A_NAME ? scope_find(s, e->a->name) : NULL;
  Value *v = b ? binding_value(l, b) : NULL;
  if (!v || v->kind != V_TENSOR) return;
  int more = 0; /* axes than items, once `...` is passed */
  for (int i = 0; i < e->items.n; i++) {
    const AExpr *x = e->items.at[i].expr;
    if (e->items.at[i].ellipsis) more = v->rank - e->items.n;
    if (!x || x->kind != A_NAME || x->name != u->var || e->items.at[i].other) continue;
    if (i + more >= 0 && i + more < v->rank) another_use(l, u, v->axis[i + more].extent, x->span);
  }
}

/* Where does e use it bare, so that an axis says how far it runs? */
static void range_from_use(Lowering *l, Scope *s, const AExpr *e, LoopUse *u) {
  if (!e || hides(e, u->var)) return;
  indexed_with(l, s, e, u);
  for (int i = 0; i < e->items.n; i++) {
    range_from_use(l, s, e->items.at[i].expr, u);
    range_from_use(l, s, e->items.at[i].other, u);
  }
  for (int i = 0; i < e->args.n; i++) range_from_use(l, s, e->args.at[i].value, u);
  range_from_use(l, s, e->guard, u);
  range_from_use(l, s, e->a, u);
  range_from_use(l, s, e->b, u);
  range_from_use(l, s, e->c, u);
}

static void range_from_body(Lowering *l, Scope *s, const AStmts *body, LoopUse *u) {
  for (int i = 0; i < body->n; i++) {
    const AStmt *st = body->at[i];
    if (st->value) range_from_use(l, s, st->value, u);
    if (st->var != u->var) range_from_body(l, s, &st->body, u);
  }
}

/* count, first value and direction of a loop */
static bool loop_range(Lowering *l, Scope *s, const AStmt *st, int64_t *count, int64_t *first,
                       bool *reverse) {
  *first = 0;
  *reverse = false;
  if (!st->has_range) {
    LoopUse u = {.var = st->var, .extent = -1};
    range_from_body(l, s, &st->body, &u);
    *count = u.extent;
    if (*count > 0) return !u.wrong;
    Diag *x = lower_error(l, 202, st->var_span.line ? st->var_span : st->span,
                          "nothing says how far '%s' runs", st->var);
    diag_hint(l->d, x, "write its range: %s %s in 8, with a number or a dim",
              st->is_scan ? "scan" : "for", st->var);
    return false;
  }
  if (st->steps || st->next_var) {
    lower_error(l, 405, st->span, "'steps' and a second loop name belong to a sampler's own loop");
    return false;
  }
  if (st->range == RANGE_COUNT) return lower_extent(l, s, st->hi, count, NULL);
  int64_t a, b;
  if (!lower_range_ends(l, s, st->lo, st->hi, &a, &b)) return false;
  if (st->range == RANGE_COLON) b -= 1;
  *reverse = st->range == RANGE_DOTS && a > b;
  *count = (*reverse ? a - b : b - a) + 1;
  *first = *reverse ? b : a;
  if (*count < 1) {
    lower_error(l, 208, st->lo->span, "the loop over '%s' is empty", st->var);
    return false;
  }
  return true;
}

/* One number for all places of a carry. */
static void spread(Lowering *l, Value *v, const Value *like) {
  for (int k = 0; k < like->rank; k++) {
    v->axis[k] = like->axis[k];
    v->axis[k].var = new_var(l, like->axis[k].extent, NULL);
  }
  v->rank = like->rank;
}

static bool same_shape(const Value *v, const Value *like) {
  bool same = v->rank == like->rank && v->e->type == like->e->type;
  for (int k = 0; same && k < v->rank; k++) same = v->axis[k].extent == like->axis[k].extent;
  return same;
}

/* Which axis of `like` each axis of v is called after: is v the same tensor in another order? */
static bool reordered(const Value *v, const Value *like) {
  bool taken[IR_MAX_RANK] = {false}, moved = false;
  for (int k = 0; k < v->rank; k++) {
    int j = 0;
    while (j < like->rank && (taken[j] || !v->axis[k].id || like->axis[j].id != v->axis[k].id)) j++;
    if (j == like->rank) return false;
    taken[j] = true;
    moved = moved || j != k;
  }
  return v->rank == like->rank && moved;
}

static void shape_changes(Lowering *l, const Value *v, const Value *like, const char *name,
                          Span at) {
  Diag *x = lower_error(l, 319, at, "'%s' enters the loop as %s%s and leaves an iteration as %s%s",
                        name, type_name(like->e->type), shape_text(l, like), type_name(v->e->type),
                        shape_text(l, v));
  if (v->span.line) diag_note(l->d, x, v->span, "it gets its value here");
  diag_hint(l->d, x, "what a loop carries keeps its shape and type%s",
            reordered(v, like) ? ", and the order of its axes; indices put them in order" : "");
}

/* v as the next value of a carry, axis by axis. Its statement has settled their order: names
 * align the operands of whole-tensor arithmetic, and nothing that has been computed. */
static Node *carried_node(Lowering *l, Value *v, const Value *like, const char *name, Span at) {
  if (v->kind == V_NUM) v = v_scalar(l, v_expr(l, v));
  if (v->kind != V_TENSOR) return NULL;
  Value *w = NEW(l->arena, Value);
  *w = *v;
  if (like) {
    if (like->e->type == TY_REAL) w->e = to_real(l, w->e);
    if (w->rank == 0) spread(l, w, like);
    if (!same_shape(w, like)) {
      shape_changes(l, w, like, name, at);
      return NULL;
    }
  }
  return value_node(l, w, name, at);
}

typedef struct Carried {
  const char *name;
  Value *init;
  Node *before, *in; /* its node before the loop, in an iteration */
  Span span;
} Carried;
typedef VEC(Carried) CarriedList;

/* Of what an emit names: the place of the loop's index among its items, and the others. False
 * after an error. */
static bool emit_target(Lowering *l, const ATarget *t, const char *var, int *at, ATarget *rest) {
  *at = -1;
  *rest = *t;
  rest->items.at = NULL;
  rest->items.n = rest->items.cap = 0;
  for (int i = 0; i < t->items.n; i++) {
    const AItem *it = &t->items.at[i];
    if (!it->expr || it->expr->kind != A_NAME || it->expr->name != var) {
      vec_push(l->arena, &rest->items, *it);
    } else if (*at < 0) {
      *at = i;
    } else {
      lower_error(l, 207, it->span, "index '%s' stands here twice", var);
      return false;
    }
  }
  if (*at >= 0) return true;
  Diag *x = lower_error(l, 320, t->span, "what a loop emits has the loop's index among its axes");
  diag_hint(l->d, x, "emit %s[.., %s, ..] = ...", t->name, var);
  return false;
}

/* How many axes the first n items of a target stand for. */
static int axes_of(Scope *s, const ATarget *t, int n) {
  int axes = 0;
  while (!s->function && s->parent) s = s->parent;
  for (int i = 0; i < n; i++) axes += t->items.at[i].ellipsis ? s->nellipsis : 1;
  return axes;
}

/* What the iterations leave, stacked: its axes in the order that the target wrote, the loop's
 * index the `at`-th of them. */
static Value *stacked(Lowering *l, Scope *s, Loop *loop, const AStmt *st, const Value *v, Node *n,
                      int at) {
  Value *out = v_of_node(l, ir_stack(l->g, loop, n), NULL);
  ValueAxis over = out->axis[0];
  Binding *p = scope_find(s, st->var); /* `t` of the header, if the loop runs over it */
  over.id = p && p->pattern ? p->value->id : st->var;
  for (int k = 0; k < v->rank; k++) {
    int to = k < at ? k : k + 1;
    ValueAxis a = out->axis[1 + k];
    a.id = v->axis[k].id;
    out->axis[to] = a;
  }
  out->axis[at] = over;
  out->id = v->id;
  return out;
}

static bool lower_emit(Lowering *l, Scope *ls, Scope *s, const ABind *b, const AStmt *st,
                       Loop *loop, int64_t first, LoopContext *ctx) {
  const ATarget *t = &b->target;
  ATarget rest;
  int item;
  if (!emit_target(l, t, st->var, &item, &rest)) return false;
  if (first != 0) {
    lower_error(l, 320, t->span,
                "a loop that emits starts at 0: position 0 of the axis is index 0");
    return false;
  }
  l->loops = ctx;
  l->region = loop->body;
  Value *v = lower_assign_value(l, ls, &rest, b->value, false, b->span);
  if (v->kind != V_TENSOR) return false;
  if (v->rank == IR_MAX_RANK) {
    lower_error(l, 215, t->span, "a tensor has at most %d axes", IR_MAX_RANK);
    return false;
  }
  const char *name =
      *l->param_path ? arena_printf(l->arena, "%s.%s", l->param_path, t->name) : t->name;
  Node *n = value_node(l, v, name, b->span);
  l->region = ctx->loop->node->region;
  l->loops = ctx->parent;
  if (n->rank != v->rank) bug("an emit with hidden axes");
  int64_t extent[IR_MAX_RANK] = {loop->count};
  for (int k = 0; k < v->rank; k++) extent[1 + k] = v->axis[k].extent;
  if (!elements_fit(l, "what this loop emits", extent, 1 + v->rank, t->span)) return false;
  Value *out = stacked(l, s, loop, st, v, n, axes_of(ls, t, item));
  out->what = t->name;
  out->span = t->span;
  scope_set(l, s, t->name, out, t->span);
  return true;
}

static bool indexed_around(const Lowering *l) {
  for (const Frame *f = l->frame; f; f = f->parent)
    if (f->vars.n) return true;
  return false;
}

/* What the loop carries: what `carry` lists, then what the body assigns. */
static bool gather_carried(Lowering *l, Scope *s, AStmt *st, CarriedList *out) {
  int before = l->nerrors;
  Names names = {0};
  find_carried(l, s, &st->body, st, &names);
  for (int i = 0; i < st->carries.n; i++) {
    const ABind *b = &st->carries.at[i];
    Value *v = lower_assign_value(l, s, &b->target, b->value, false, b->span);
    Carried c = {.name = b->target.name, .init = v, .span = b->span};
    vec_push(l->arena, out, c);
  }
  for (int i = 0; i < names.n; i++) {
    Carried c = {
        .name = names.at[i], .init = lookup(l, s, names.at[i], st->span), .span = st->span};
    vec_push(l->arena, out, c);
  }
  if (l->nerrors != before) return false;
  for (int i = 0; i < out->n; i++)
    if (out->at[i].init->kind == V_POISON) return false;
  for (int i = 0; i < out->n; i++) {
    Carried *c = &out->at[i];
    c->before = carried_node(l, c->init, NULL, c->name, c->span);
    if (c->before) continue;
    if (c->init->kind == V_PACKED)
      lower_error(l, 315, c->span, "'%s' would be several results; carry them one by one", c->name);
    else
      usable(l, c->init, c->span);
    return false;
  }
  return true;
}

/* n, with the axes and the range that the carried value began with. */
static Value *carried_value(Lowering *l, const Carried *c, Node *n) {
  const char *ids[IR_MAX_RANK] = {NULL};
  for (int k = 0; k < c->init->rank; k++) ids[k] = c->init->axis[k].id;
  Value *v = v_of_node(l, n, ids);
  v->what = c->name;
  v->id = c->init->kind == V_TENSOR ? c->init->id : NULL;
  return v;
}

/* The scope of the body: the loop's variable, and what is carried. */
static Scope *body_scope(Lowering *l, Scope *s, const AStmt *st, Loop *loop, int64_t first,
                         CarriedList *carried) {
  Scope *inner = scope_new(l, s, false);
  Expr *counter = ex_loopvar(l->g, loop);
  if (first) counter = ex2(l->g, P_add, counter, ex_int(l->g, first));
  Value *index = v_scalar(l, counter);
  index->what = st->var;
  index->span = st->span;
  scope_set(l, inner, st->var, index, st->span);
  for (int i = 0; i < carried->n; i++) {
    Carried *c = &carried->at[i];
    c->in = ir_carry(l->g, loop, c->name, c->before);
    Binding b = {
        .name = c->name, .value = carried_value(l, c, c->in), .span = c->span, .mutable_ = true};
    vec_push(l->arena, &inner->names, b);
  }
  return inner;
}

/* What each carried value is at the end of an iteration. */
static bool close_body(Lowering *l, Scope *inner, Loop *loop, const CarriedList *carried) {
  for (int i = 0; i < carried->n; i++) {
    const Carried *c = &carried->at[i];
    Value *now = scope_here(inner, c->name)->value;
    Node *next = carried_node(l, now, carried_value(l, c, c->in), c->name, c->span);
    if (!next) return false;
    loop->carries.at[i].next = next;
  }
  return true;
}

/* The value after the loop, under the name that stands for it within the function. */
static void rebind(Lowering *l, Scope *s, const Carried *c, Node *final) {
  Value *v = carried_value(l, c, final);
  v->span = c->span;
  for (Scope *q = s; q; q = q->function ? NULL : q->parent) {
    Binding *b = scope_here(q, c->name);
    if (!b) continue;
    b->value = v;
    return;
  }
  scope_set(l, s, c->name, v, c->span);
}

/* Loops have slots for their counters, and the functions that are called inside have loops too. */
static bool depth_left(Lowering *l, const AStmt *st) {
  int depth = 0;
  for (const LoopContext *c = l->loops; c; c = c->parent) depth++;
  if (depth < TD_MAX_LOOPS) return true;
  Diag *x = lower_error(l, 109, st->span, "loops nest deeper than %d", TD_MAX_LOOPS);
  diag_hint(l->d, x, "one loop over both ranges says the same: for k in A * B");
  return false;
}

bool lower_for(Lowering *l, Scope *s, AStmt *st) {
  int64_t count, first;
  bool reverse;
  CarriedList carried = {0};
  if (indexed_around(l)) {
    lower_error(l, 406, st->span,
                "a loop cannot run inside an indexed expression; pass whole tensors to the op "
                "that holds it");
    return false;
  }
  if (!depth_left(l, st) || !loop_range(l, s, st, &count, &first, &reverse)) return false;
  if (!gather_carried(l, s, st, &carried)) return false;
  Loop *loop = ir_loop(l->g, l->region, st->var, count, reverse, st->span);
  LoopContext ctx = {l->loops, loop, !st->is_scan};
  Region *outer = l->region;
  Scope *inner = body_scope(l, s, st, loop, first, &carried);
  l->region = loop->body;
  l->loops = &ctx;
  bool ok = lower_body(l, inner, st->body.at, st->body.n) && close_body(l, inner, loop, &carried);
  l->region = outer;
  l->loops = ctx.parent;
  for (int i = 0; ok && i < st->emits.n; i++) {
    ok = lower_emit(l, inner, s, &st->emits.at[i], st, loop, first, &ctx);
    l->region = outer;
    l->loops = ctx.parent;
  }
  if (!ok) return false;
  for (int i = 0; i < carried.n; i++) rebind(l, s, &carried.at[i], ir_final(l->g, loop, i));
  return true;
}
