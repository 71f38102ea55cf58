/* SPDX-License-Identifier: MIT */
/* Loops: what is carried is stored axis by axis as its statement made it; what is emitted is
 * stacked along the loop's index; everything else ends with its iteration. */
#include <string.h>

#include "tests/interp/internal.h"

typedef struct Turns {
  int64_t first, count, step;
  const char *id;
} Turns;

typedef VEC(const AExpr *) Exprs;

static void right_sides(Interp *in, const AStmts *body, Exprs *out) {
  for (int i = 0; i < body->n; i++) {
    const AStmt *s = body->at[i];
    if (s->value) vec_push(in->arena, out, s->value);
    if (s->kind != S_FOR) continue;
    right_sides(in, &s->body, out);
    for (int k = 0; k < s->carries.n; k++) vec_push(in->arena, out, s->carries.at[k].value);
    for (int k = 0; k < s->emits.n; k++) vec_push(in->arena, out, s->emits.at[k].value);
  }
}

static Turns turns_of(Context *c, const AStmt *s) {
  Turns t = {.step = 1};
  const char *id;
  if (s->steps || s->next_var) UNCOVERED(c->in, s->span, "steps");
  if (!s->has_range) { /* over the axis that the body indexes with it */
    Exprs e = {0};
    right_sides(c->in, &s->body, &e);
    for (int k = 0; k < s->emits.n; k++) vec_push(c->in->arena, &e, s->emits.at[k].value);
    Index x = index_of(c, s->var, NULL, e.at, e.n, s->span);
    t.count = x.extent;
    t.id = x.id;
    return t;
  }
  if (s->range == RANGE_COUNT) {
    t.count = eval_extent(c, s->hi, &t.id);
    return t;
  }
  t.first = eval_extent(c, s->lo, &id);
  int64_t last = eval_extent(c, s->hi, &id);
  if (s->range == RANGE_DOTS && t.first > last) t.step = -1;
  t.count = s->range == RANGE_DOTS ? (last - t.first) * t.step + 1 : last - t.first;
  return t;
}

/* ---- carries ------------------------------------------------------------------------ */

typedef VEC(const char *) Names;

static void add_name(Interp *in, Names *n, const char *name) {
  for (int i = 0; i < n->n; i++)
    if (n->at[i] == name) return;
  vec_push(in->arena, n, name);
}

/* Names given before the loop, in this function, and anew inside. */
static void given_anew(Context *c, const AStmts *body, Names *out) {
  for (int i = 0; i < body->n; i++) {
    const AStmt *s = body->at[i];
    if (s->kind == S_FOR) given_anew(c, &s->body, out);
    for (int k = 0; s->kind == S_ASSIGN && k < s->targets.n; k++) {
      const char *name = s->targets.at[k].name;
      for (Scope *at = c->scope; at && at != c->home; at = at->parent)
        if (find_here(at, name)) add_name(c->in, out, name);
    }
  }
}

/* `next` in place of `now`: the same shape, type and identities. */
static Value carried(Context *c, const Value *now, const Value *next, Span at) {
  Value out = tensor(c->in, now->rank, now->axis);
  bool same = next->kind == V_TENSOR && next->rank == now->rank;
  for (int k = 0; same && k < now->rank; k++) same = now->axis[k].extent == next->axis[k].extent;
  if (!same) UNCOVERED(c->in, at, "a carried value of another shape");
  bool real = cells_of(now)[0].kind == INTERP_REAL;
  for (int64_t i = 0; i < count_of(&out); i++) {
    Number x = cells_of(next)[i];
    cells(&out)[i] = real ? as_real(x) : x;
  }
  return out;
}

/* ---- emits -------------------------------------------------------------------------- */

/* The target without the loop's index; *axis: where that stood. */
static ATarget without(Context *c, const ATarget *t, const char *var, int *axis) {
  ATarget out = *t;
  int k = 0;
  *axis = -1;
  out.items.at = NEWN(c->in->arena, AItem, t->items.n + 1);
  out.items.n = 0;
  for (int i = 0; i < t->items.n; i++) {
    const AItem *it = &t->items.at[i];
    bool index = it->expr && it->expr->kind == A_NAME && it->expr->name == var;
    if (index)
      *axis = k;
    else
      out.items.at[out.items.n++] = *it;
    k += it->ellipsis ? c->ndots : 1;
  }
  if (*axis < 0) UNCOVERED(c->in, t->span, "an emit without the loop's index");
  return out;
}

static Value stacked(Context *c, const Value *v, int axis, const Turns *t) {
  Axis all[MAX_RANK + 1];
  if (v->rank + 1 > MAX_RANK) UNCOVERED(c->in, (Span){0}, "so many axes");
  for (int k = 0; k <= v->rank; k++)
    all[k] = k == axis ? (Axis){t->count, t->id} : v->axis[k < axis ? k : k - 1];
  return tensor(c->in, v->rank + 1, all);
}

/* What the iteration leaves stands at the position that is its index. */
static void emit(Context *c, const AStmt *s, const Turns *t, int64_t turn, Value *out) {
  int64_t at = t->first + turn * t->step;
  for (int e = 0; e < s->emits.n; e++) {
    int axis;
    const ABind *b = &s->emits.at[e];
    ATarget target = without(c, &b->target, s->var, &axis);
    Value v = assigned(c, &target, b->value);
    if (turn == 0) out[e] = stacked(c, &v, axis, t);
    int64_t inner = 1;
    for (int k = axis; k < v.rank; k++) inner *= v.axis[k].extent;
    for (int64_t i = 0; i < count_of(&v); i++)
      out[e].at[(i / inner * t->count + at) * inner + i % inner] = cells(&v)[i];
  }
}

/* ---- the loop ----------------------------------------------------------------------- */

static void one_turn(Context *c, const AStmt *s, const Turns *t, int64_t turn, const Names *names,
                     Value *emitted) {
  Scope *outside = c->scope;
  c->scope = scope_below(c->in, outside);
  define(c->in, c->scope, s->var, scalar(whole_number(t->first + turn * t->step)));
  run_body(c, &s->body);
  emit(c, s, t, turn, emitted);
  for (int i = 0; i < names->n; i++) {
    const Value *next = find_here(c->scope, names->at[i]);
    Value *now = find_here(outside, names->at[i]);
    if (next) *now = carried(c, now, next, s->span);
  }
  c->scope = outside;
}

void run_loop(Context *c, const AStmt *s) {
  Interp *in = c->in;
  Names names = {0};
  Value *emitted = NEWN(in->arena, Value, s->emits.n + 1);
  for (int i = 0; i < s->carries.n; i++) {
    const ABind *b = &s->carries.at[i];
    Value v = assigned(c, &b->target, b->value);
    v.known = false;
    define(in, c->scope, b->target.name, v);
    add_name(in, &names, b->target.name);
  }
  Turns t = turns_of(c, s);
  given_anew(c, &s->body, &names);
  for (int i = 0; i < names.n; i++) { /* here from now on, whichever loop around it came from */
    Value v = *find_name(c->scope, names.at[i]);
    v.known = false;
    define(in, c->scope, names.at[i], v);
  }
  if (s->emits.n && (t.step > 0 ? t.first : t.first - t.count + 1) != 0)
    UNCOVERED(in, s->span, "emits of a loop that does not begin at 0");
  int at = c->nturns;
  if (!s->is_scan) {
    if (at == MAX_RANK) UNCOVERED(in, s->span, "loops so deep");
    c->turns[at] = t.count;
    c->nturns++;
  }
  Scope counts = in->counts; /* calls are counted anew in each turn */
  for (int64_t k = 0; k < t.count; k++) {
    Scope again = counts;
    again.names.at = NEWN(in->arena, Binding, counts.names.n + 1);
    again.names.cap = counts.names.n + 1;
    if (counts.names.n)
      memcpy(again.names.at, counts.names.at, (size_t)counts.names.n * sizeof(Binding));
    in->counts = again;
    c->turn[at] = k;
    one_turn(c, s, &t, k, &names, emitted);
  }
  c->nturns = at;
  for (int i = 0; i < s->emits.n; i++) define(in, c->scope, s->emits.at[i].target.name, emitted[i]);
}
