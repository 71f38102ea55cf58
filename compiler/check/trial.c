/* SPDX-License-Identifier: MIT */
/* Ops and blocks as graphs of their own: calls are tried until the body accepts
 * one; parameters and results become states and outputs; values are drawn. */
#include "compiler/check/trial_call.h"
#include "compiler/lower/entry.h"
#include "compiler/lower/scope.h"
#include "compiler/lower/tables.h"
#include "compiler/lower/value.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#include "compiler/ir/draws.h"
#include "compiler/ir/verify.h"
#include "compiler/lower/lower.h"

enum { ATTEMPTS = 300, MOST_WORK = 1 << 23 };

/* ---- ops ---------------------------------------------------- */

static void add_ops(Scope *s, const char *library, Arena *a, TrialOp **out, int *n, int *cap) {
  for (int i = 0; i < s->names.n; i++) {
    const Value *v = s->names.at[i].value;
    if (v->kind != V_FN || (v->fn->decl->kind != D_OP && v->fn->decl->kind != D_BLOCK)) continue;
    const ADecl *d = v->fn->decl;
    if (*n == *cap) {
      int more = *cap ? 2 * *cap : 16;
      *out = arena_grow(a, *out, (size_t)*cap * sizeof **out, (size_t)more * sizeof **out);
      *cap = more;
    }
    (*out)[(*n)++] = (TrialOp){d->name,
                               adecl_spelling(d->kind),
                               library,
                               d->name_span,
                               d->grad.present,
                               d->grad.present && d->grad.nocheck,
                               d,
                               v->fn};
  }
}

/* What is computed once and kept belongs in the unit's arena: before any trial. */
static void settle(Lowering *l) {
  for (int i = 0; i < l->schedules.n; i++)
    diffusion_ready(l, l->schedules.at[i], l->schedules.at[i]->decl->name_span);
  for (int i = 0; i < l->datas.n; i++) {
    Value *v = v_poison(l);
    v->kind = V_DATA;
    v->data = l->datas.at[i];
    member(l, v, "vocab", l->datas.at[i]->info.span);
  }
}

int trial_ops(Unit *u, Arena *a, bool library, TrialOp **out) {
  Lowering *l = u->lowering;
  int n = 0, cap = 0;
  Diags *d = l->d;
  l->d = diags_new(l->arena);
  settle(l);
  *out = NULL;
  if (!library) add_ops(l->root, NULL, a, out, &n, &cap);
  for (int i = 0; library && i < std_count(); i++) {
    bool core = strcmp(std_name(i), "core") == 0;
    Span nowhere = {0};
    l->d = d; /* sources are registered there */
    Scope *s = core ? l->core : std_scope(l, intern(l->names, std_name(i)), nowhere);
    if (s) add_ops(s, std_name(i), a, out, &n, &cap);
  }
  l->d = d;
  return n;
}

/* ---- graphs ---------------------------------------------------- */

static double region_work(const Region *r) {
  double work = 0;
  for (int i = 0; i < r->nodes.n; i++) {
    const Node *n = r->nodes.at[i];
    double points = 1;
    if (n->kind == N_LOOP) work += (double)n->loop->count * region_work(n->loop->body);
    if (n->kind != N_COMP && n->kind != N_SCATTER) continue;
    for (int k = 0; k < n->nvars; k++) points *= (double)n->extent[k];
    work += points;
  }
  return work;
}

int64_t trial_work(const Graph *g) {
  double work = region_work(g->top);
  return work < 1e18 ? (int64_t)work : INT64_MAX;
}

/* Views of the parameters lie one after another, as in a whole program. */
static void lay_out(Lowering *l, Entry *e) {
  int64_t size[2] = {0, 0};
  for (int i = 0; i < e->views.n; i++) {
    ParamView *v = &e->views.at[i];
    int k = l->params.at[v->param].matrix ? 0 : 1;
    v->node->offset = size[k];
    size[k] += ir_count(v->node);
    e->flat[k]->shape[0] = size[k];
  }
}

static bool add_results(Lowering *l, const ADecl *d, Value *v) {
  for (int i = 0; i < d->results.n; i++) {
    Value *r = v->kind == V_PACKED ? v->parts[i] : v;
    if (r->kind != V_TENSOR && r->kind != V_NUM) return false;
    Output o = {d->results.at[i].name, value_node(l, r, d->results.at[i].name, d->span)};
    vec_push(l->arena, &l->g->outputs, o);
  }
  return true;
}

static void first_error(const Diags *d, Trial *t) {
  for (int i = 0; i < diags_count(d); i++) {
    const Diag *x = diags_at(d, i);
    if (x->level != DIAG_ERROR) continue;
    t->why = x->message;
    t->where = x->span;
    return;
  }
}

static bool attempt_graph(Lowering *l, const TrialOp *op, int attempt, const TrialOptions *o,
                          Trial *t) {
  Value *v = trial_call(l, op->fn, o->seed % 3 != 1, attempt, o);
  Entry *e = l->entry;
  bool ok = v->kind != V_POISON && add_results(l, op->fn->decl, v) && diags_errors(l->d) == 0;
  if (!ok) {
    first_error(l->d, t);
    return false;
  }
  entry_settle(e);
  lay_out(l, e);
  t->graph = e->g;
  t->training = e->training;
  t->shapes = l->assumed;
  ir_prune(e->g);
  const char *broken = ir_verify(e->g);
  if (broken) bug("a trial of %s: %s", op->name, broken);
  return true;
}

/* The parameters there are by their names, in the trial's arena: a trial makes further ones,
 * whose names go with it. */
static NameMap *parameters_by_name(const Lowering *l, Arena *a) {
  NameMap *index = NEW(a, NameMap);
  for (int i = 0; i < l->params.n; i++) *namemap_at(a, index, l->params.at[i].name) = i + 1;
  return index;
}

bool trial_graph(Unit *u, const TrialOp *op, const TrialOptions *o, Arena *a, Trial *out) {
  Lowering *l = u->lowering;
  TrialOptions choice = *o;
  if (!choice.space) choice.space = 4000;
  *out = (Trial){.seed = o->seed};
  for (int attempt = 0; attempt < ATTEMPTS && !out->graph; attempt++) {
    Lowering saved = *l;
    l->arena = a;
    l->param_index = parameters_by_name(l, a);
    l->d = diags_new(a);
    l->instantiated.n = l->instantiated.cap = 0;
    l->instantiated.at = NULL;
    l->plain_gradients = o->plain;
    if (attempt_graph(l, op, attempt, &choice, out) && trial_work(out->graph) > MOST_WORK) {
      out->graph = NULL;
      choice.space = choice.space / 2 + 1;
      out->why = "it is too large for a trial: make its dims smaller with -D";
      out->where = op->span;
    }
    *l = saved;
  }
  return out->graph != NULL;
}

/* ---- dims ---------------------------------------------------- */

static bool is_listed(const char *const *names, int n, const char *name) {
  for (int i = 0; i < n; i++)
    if (!strcmp(names[i], name)) return true;
  return false;
}

const char *trial_dims_of(const TrialOp *op, Arena *a) {
  enum { MOST = 16 };
  const char *names[MOST], *s = "";
  int n = 0;
  for (int i = 0; i < op->decl->formals.n; i++) {
    const AFormal *f = &op->decl->formals.at[i];
    for (int k = 0; k < f->items.n && n < MOST; k++) {
      const AExpr *e = f->items.at[k].expr;
      if (!e || e->kind != A_NAME || !islower((unsigned char)e->name[0])) continue;
      char *dim = arena_strdup(a, e->name);
      dim[0] = (char)toupper((unsigned char)dim[0]);
      if (is_listed(names, n, dim)) continue;
      s = arena_printf(a, "%s%s%s = ..", s, n ? ", " : "", dim);
      names[n++] = dim;
    }
  }
  return s;
}

const char *trial_dims(const Unit *u, Arena *a) {
  const Scope *s = u->lowering->root;
  const char *out = "";
  for (int i = 0; i < s->names.n; i++) {
    const Value *v = s->names.at[i].value;
    if (v->kind == V_NUM && v->is_int && v->id)
      out = arena_printf(a, "%s%s%s = %lld", out, *out ? ", " : "", s->names.at[i].name,
                         (long long)v->inum);
  }
  return out;
}

/* ---- values ---------------------------------------------------- */

TrialValues trial_values(uint64_t seed) {
  static const TrialValues kinds[8] = {VALUES_NORMAL, VALUES_TIES, VALUES_NORMAL, VALUES_POSITIVE,
                                       VALUES_TIES,   VALUES_TIES, VALUES_NORMAL, VALUES_UNIT};
  return kinds[(seed * UINT64_C(0x9e3779b97f4a7c15)) >> 61];
}

static double real_value(uint64_t seed, uint32_t site, TrialValues kind, uint64_t i) {
  double u = draw_uniform(seed, 0, site, i);
  switch (kind) {
  case VALUES_TIES: return floor(u * 5) * 0.5 - 1;
  case VALUES_POSITIVE: return 0.1 + 1.5 * u;
  case VALUES_UNIT: return 0.05 + 0.9 * u;
  case VALUES_NORMAL:
  case VALUES_KINDS: break;
  }
  return draw_normal(seed, 0, site, i);
}

/* A number alone is a rate, a width, a temperature: in 0 .. 1. Half the seeds
 * give integers two values only, so that they coincide. */
void trial_fill(const Node *n, uint64_t seed, TrialValues kind, double *out, int64_t count) {
  uint32_t site = draw_site(n->name);
  double range = (double)n->hi - (double)n->lo + 1;
  if (range > 2 && seed % 2) range = 2;
  if (range > 1000) range = 1000;
  if (n->kind == N_INPUT && n->rank == 0 && kind != VALUES_POSITIVE) kind = VALUES_UNIT;
  for (int64_t i = 0; i < count; i++) {
    double u = draw_uniform(seed, 1, site, (uint64_t)i);
    if (n->type == TY_REAL)
      out[i] = (double)(float)real_value(seed, site, kind, (uint64_t)i);
    else if (n->type == TY_BOOL)
      out[i] = u < 0.5;
    else
      out[i] = (double)n->lo + floor(u * range);
  }
}
