/* SPDX-License-Identifier: MIT */
/* Calls: headers bind extents and identities, bodies run, and a `grad` clause answers for
 * the gradients of its call alone. */
#include <string.h>

#include "tests/interp/internal.h"

enum { DEEPEST = 40 };

Context *context_of(Interp *in, Scope *home, const char *path) {
  Context *f = NEW(in->arena, Context);
  f->in = in;
  f->home = home;
  f->scope = scope_below(in, home);
  f->path = path;
  f->ndots = -1;
  return f;
}

/* ---- headers ------------------------------------------------------------------------ */

static void add_letter(Context *f, const char *name, Axis axis, bool number, Span at) {
  Letter *l = find_letter(f, name);
  if (l && l->axis.extent != axis.extent) UNCOVERED(f->in, at, "%s is of two extents", name);
  if (l) return;
  if (f->nletters == MAX_INDICES) UNCOVERED(f->in, at, "so many names in a header");
  f->letters[f->nletters++] = (Letter){name, {axis.extent, name}, axis.id, number};
}

static void bind_axis(Context *f, const AItem *it, Axis *axis) {
  if (!it->expr) UNCOVERED(f->in, it->span, "this pattern");
  bool name = it->expr->kind == A_NAME;
  const Value *v = name ? find_name(f->scope, it->expr->name) : NULL;
  if (name && !(v && v->known)) {
    add_letter(f, it->expr->name, *axis, false, it->span);
    axis->id = it->expr->name;
    return;
  }
  const char *id;
  if (eval_extent(f, it->expr, &id) != axis->extent)
    UNCOVERED(f->in, it->span, "an argument of another shape");
  if (id) axis->id = id;
}

static void bind_dots(Context *f, const Axis *axis, int n, Span at) {
  if (n < 0 || (f->ndots >= 0 && n != f->ndots)) UNCOVERED(f->in, at, "'...' of two ranks");
  for (int k = 0; k < n; k++) {
    if (f->ndots >= 0 && f->dots[k].extent != axis[k].extent)
      UNCOVERED(f->in, at, "'...' of two shapes");
    if (f->ndots < 0) f->dots[k] = axis[k];
  }
  f->ndots = n;
}

static bool has_dots(const AItems *items) {
  for (int i = 0; i < items->n; i++)
    if (items->at[i].ellipsis) return true;
  return false;
}

/* Is one number given where a tensor of other arguments' size is meant? */
static bool is_spread(const Context *f, const AFormal *a, const Value *v) {
  int fixed = a->items.n - (has_dots(&a->items) ? 1 : 0);
  return v->rank == 0 && (fixed > 0 || (has_dots(&a->items) && f->ndots > 0));
}

static void bind_pattern(Context *f, const AFormal *a, Value *v) {
  Axis *axis = NEWN(f->in->arena, Axis, v->rank + 1);
  int k = 0;
  for (int i = 0; i < v->rank; i++) axis[i] = v->axis[i];
  for (int i = 0; i < a->items.n; i++) {
    const AItem *it = &a->items.at[i];
    int dots = v->rank - (a->items.n - 1);
    if (it->ellipsis) {
      bind_dots(f, axis + k, dots, it->span);
      k += dots;
    } else {
      if (k >= v->rank) UNCOVERED(f->in, a->span, "an argument of fewer axes");
      bind_axis(f, it, &axis[k++]);
    }
  }
  if (k != v->rank) UNCOVERED(f->in, a->span, "an argument of more axes");
  v->axis = axis;
}

/* The axes that a pattern stands for, once its names are known. */
static int axes_of(Context *f, const AItems *items, bool outside, Axis *out) {
  int n = 0;
  for (int i = 0; i < items->n; i++) {
    const AItem *it = &items->at[i];
    const AExpr *e = it->var ? it->lo : it->expr;
    const Letter *l = e && e->kind == A_NAME ? find_letter(f, e->name) : NULL;
    if (n + 1 > MAX_RANK) UNCOVERED(f->in, it->span, "so many axes");
    if (it->ellipsis)
      for (int k = 0; k < f->ndots; k++) out[n++] = f->dots[k];
    else if (l)
      out[n++] = (Axis){l->axis.extent, outside ? l->caller : l->name};
    else
      n++, out[n - 1].extent = eval_extent(f, e, &out[n - 1].id);
  }
  return n;
}

static Value spread(Context *f, const AFormal *a, Value v) {
  Axis axis[MAX_RANK];
  Value out = tensor(f->in, axes_of(f, &a->items, false, axis), axis);
  for (int64_t i = 0; i < count_of(&out); i++) cells(&out)[i] = v.one;
  return out;
}

static void bind_bound(Context *f, const AFormal *a, Value *v) {
  const AExpr *n = a->id_bound;
  if (!n) return;
  bool letter = n->kind == A_NAME && !find_name(f->scope, n->name);
  if (letter && v->bound == 0) UNCOVERED(f->in, a->span, "symbols of an unknown number");
  if (letter) {
    add_letter(f, n->name, (Axis){v->bound, v->id}, false, a->span);
    return;
  }
  v->bound = eval_extent(f, n, &v->id);
}

static void bind_number(Context *f, const AFormal *a, Value v) {
  if (v.kind != V_TENSOR || v.rank) UNCOVERED(f->in, a->span, "a tensor for a number");
  define(f->in, f->scope, a->name, v);
  if (v.known && v.one.kind == INTERP_WHOLE && v.one.whole > 0)
    add_letter(f, a->name, (Axis){v.one.whole, v.id}, true, a->span);
}

void bind_arguments(Context *f, const ADecl *d, const Value *const *given) {
  for (int round = 0; round < 2; round++) /* what is spread comes last */
    for (int i = 0; i < d->formals.n; i++) {
      const AFormal *a = &d->formals.at[i];
      if (find_here(f->scope, a->name)) continue;
      if (!given[i] && !a->dflt) UNCOVERED(f->in, a->span, "no argument %s", a->name);
      if (!given[i] && round == 0) continue;
      Value v = given[i] ? *given[i] : eval(f, a->dflt, false);
      if (!a->is_tensor) {
        bind_number(f, a, v);
        continue;
      }
      if (round == 0 && v.rank == 0) continue;
      if (is_spread(f, a, &v))
        v = spread(f, a, v);
      else
        bind_pattern(f, a, &v);
      bind_bound(f, a, &v);
      v.known = false;
      define(f->in, f->scope, a->name, v);
    }
}

static Value result_of(Context *f, const AFormal *r) {
  const Value *made = find_here(f->scope, r->name);
  if (!made) UNCOVERED(f->in, r->span, "the result %s", r->name);
  Value v = *made;
  if (!r->is_tensor) return v;
  Axis *axis = NEWN(f->in->arena, Axis, MAX_RANK + 1);
  int n = axes_of(f, &r->items, true, axis);
  if (n != v.rank) UNCOVERED(f->in, r->span, "a result of another rank");
  for (int k = 0; k < n; k++)
    if (axis[k].extent != v.axis[k].extent) UNCOVERED(f->in, r->span, "a result of another shape");
  v.axis = axis;
  return v;
}

Value run_function(Context *f, const ADecl *d) {
  Interp *in = f->in;
  if (++in->depth > DEEPEST) UNCOVERED(in, d->span, "calls so deep");
  run_body(f, &d->body);
  in->depth--;
  if (d->results.n == 1) return result_of(f, &d->results.at[0]);
  Value pack = {.kind = V_PACK, .nparts = d->results.n};
  pack.parts = NEWN(in->arena, Value, d->results.n + 1);
  for (int i = 0; i < d->results.n; i++) pack.parts[i] = result_of(f, &d->results.at[i]);
  return pack;
}

/* ---- clauses ------------------------------------------------------------------------ */

static Value detached(Interp *in, const Value *v, bool *active) {
  Value out = *v;
  if (v->kind != V_TENSOR) return out;
  if (v->rank) out.at = NEWN(in->arena, Number, count_of(v));
  for (int64_t i = 0; i < count_of(v); i++) {
    Number x = cells_of(v)[i];
    *active = *active || x.node;
    x.node = 0;
    cells(&out)[i] = x;
  }
  return out;
}

/* Each number of the result comes from nowhere; the first brings the call along. */
static Value own_result(Interp *in, const Value *v, ClauseCall *k) {
  bool unused;
  Value out = detached(in, v, &unused);
  for (int64_t i = 0; i < count_of(v); i++) {
    if (cells(&out)[i].kind != INTERP_REAL) continue;
    cells(&out)[i] = leaf(in, cells(&out)[i].real);
    if (i == 0) in->tape.at[cells(&out)[i].node].call = k;
  }
  return out;
}

static Value run_with_clause(Context *f, const ADecl *d, const Value *const *given) {
  Interp *in = f->in;
  ClauseCall *k = NEW(in->arena, ClauseCall);
  bool active = false;
  const Value *plain[MAX_ARGS] = {NULL};
  *k = (ClauseCall){.f = f, .decl = d, .given = NEWN(in->arena, Value, MAX_ARGS)};
  k->bound = NEWN(in->arena, Value, MAX_ARGS);
  for (int i = 0; i < d->formals.n; i++) {
    if (!given[i]) continue;
    k->given[i] = *given[i];
    Value *copy = NEW(in->arena, Value);
    *copy = detached(in, given[i], &active);
    plain[i] = copy;
  }
  bind_arguments(f, d, plain);
  for (int i = 0; i < d->formals.n; i++) k->bound[i] = *find_here(f->scope, d->formals.at[i].name);
  Value v = run_function(f, d);
  if (!active || v.kind != V_TENSOR) return v;
  k->result = NEW(in->arena, Value);
  return *k->result = own_result(in, &v, k);
}

void clause_gradients(Interp *in, ClauseCall *k) {
  const AGrad *grad = &k->decl->grad;
  Context *c = NEW(in->arena, Context);
  *c = *k->f;
  c->scope = scope_below(in, k->f->scope);
  c->calls.n = c->calls.cap = 0;
  c->calls.at = NULL;
  for (int i = 0; i < k->decl->formals.n; i++) /* the body may have carried a name on in a loop */
    define(in, c->scope, k->decl->formals.at[i].name, k->bound[i]);
  Axis axis[MAX_RANK];
  const AFormal *result = &k->decl->results.at[0];
  int rank = result->is_tensor ? axes_of(c, &result->items, false, axis) : 0;
  Value dy = tensor(in, rank, axis);
  for (int64_t i = 0; i < count_of(&dy); i++)
    cells(&dy)[i] = real_number(in->adjoint[cells(k->result)[i].node]);
  if (grad->cotangents.n == 1) define(in, c->scope, grad->cotangents.at[0].name, dy);
  run_body(c, &grad->body);
  for (int i = 0; i < k->decl->formals.n; i++) {
    const char *name = arena_printf(in->arena, "d%s", k->decl->formals.at[i].name);
    const Value *dx = find_here(c->scope, intern(in->names, name)), *x = &k->given[i];
    if (!dx) continue;
    if (dx->rank != x->rank && x->rank) UNCOVERED(in, grad->span, "a clause of another shape");
    for (int64_t j = 0; j < count_of(dx); j++) {
      int node = cells_of(x)[x->rank ? j : 0].node;
      if (node) in->adjoint[node] += real_of(cells_of(dx)[j]);
    }
  }
}

/* ---- calls -------------------------------------------------------------------------- */

static void place(Context *c, const AExpr *e, const ADecl *d, const Value **given) {
  int next = 0;
  for (int i = 0; i < e->args.n; i++) {
    const AArg *a = &e->args.at[i];
    int k = 0;
    while (a->name && k < d->formals.n && d->formals.at[k].name != a->name) k++;
    if (!a->name) k = next++;
    if (k >= d->formals.n || k >= MAX_ARGS) UNCOVERED(c->in, a->span, "this argument");
    Value *v = NEW(c->in->arena, Value);
    *v = eval(c, a->value, false);
    given[k] = v;
  }
}

Value call(Context *c, const AExpr *e) {
  Interp *in = c->in;
  const Value *fn = e->a->kind == A_NAME ? find_name(c->scope, e->a->name) : NULL;
  if (!fn || fn->kind != V_FUNCTION) UNCOVERED(in, e->span, "this call");
  const ADecl *d = fn->decl;
  const Value *given[MAX_ARGS] = {NULL};
  place(c, e, d, given);
  Context *f = context_of(in, fn->home, d->kind == D_MODEL ? d->name : c->path);
  if (d->kind == D_BLOCK) f->path = path_below(c, d->name);
  for (int k = 0; k < c->nturns && d->kind != D_MODEL; k++)
    f->turns[k] = c->turns[k], f->turn[k] = c->turn[k];
  f->nturns = d->kind == D_MODEL ? 0 : c->nturns;
  if (d->grad.present && in->taping && !in->dry) return run_with_clause(f, d, given);
  bind_arguments(f, d, given);
  Scope counts = in->counts;
  if (d->kind == D_MODEL) in->counts = (Scope){0}; /* the same parameters in each of its calls */
  Value v = run_function(f, d);
  if (d->kind == D_MODEL) in->counts = counts;
  return v;
}
