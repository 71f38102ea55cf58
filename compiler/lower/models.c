/* SPDX-License-Identifier: MIT */
/* Entries: graphs under construction, their inputs and parameters; and the
 * models as roots that can be run by name. */
#include <string.h>

#include "compiler/lower/lower.h"

Entry *entry_new(Low *l, const char *name) {
  Entry *e = NEW(l->arena, Entry);
  e->g = graph_new(l->arena, l->names, name);
  e->name = name;
  return e;
}

void entry_enter(Low *l, Entry *e) {
  l->entry = e;
  l->g = e->g;
  l->region = e->g->top;
}

Context context_begin(Low *l, Entry *e) {
  Context c = {*l};
  entry_enter(l, e);
  l->frame = NULL;
  l->facts.n = 0;
  l->facts.at = NULL;
  l->facts.cap = 0;
  l->loops = l->stack_stop = NULL;
  l->calls = NULL;
  l->param_path = "";
  l->draw_path = "";
  l->stmt_name = NULL;
  l->drawing = NULL;
  l->counts.at = NULL;
  l->counts.n = l->counts.cap = 0;
  l->reduce_frames.at = NULL;
  l->reduce_frames.n = l->reduce_frames.cap = 0;
  l->call_values.at = NULL;
  l->call_values.n = l->call_values.cap = 0;
  l->objective = NULL;
  l->logs.at = NULL;
  l->logs.n = l->logs.cap = 0;
  l->emitted.at = NULL;
  l->emitted.n = l->emitted.cap = 0;
  l->forbid_draws = false;
  return c;
}

void context_end(Low *l, const Context *c) {
  const Low *s = &c->saved;
  l->entry = s->entry;
  l->g = s->g;
  l->region = s->region;
  l->frame = s->frame;
  l->facts = s->facts;
  l->loops = s->loops;
  l->stack_stop = s->stack_stop;
  l->calls = s->calls;
  l->param_path = s->param_path;
  l->draw_path = s->draw_path;
  l->stmt_name = s->stmt_name;
  l->drawing = s->drawing;
  l->counts = s->counts;
  l->reduce_frames = s->reduce_frames;
  l->call_values = s->call_values;
  l->objective = s->objective;
  l->logs = s->logs;
  l->emitted = s->emitted;
  l->forbid_draws = s->forbid_draws;
}

Value *entry_input(Low *l, const char *name, Type t, int rank, const int64_t *shape,
                   const char *const *ids, int64_t lo, int64_t hi, const char *data, Span at) {
  Node *n = ir_input(l->g, name, t, rank, shape, lo, hi, at);
  UnitInput in = {.name = name, .type = t, .rank = rank, .lo = lo, .hi = hi, .data = data};
  for (int k = 0; k < rank; k++) in.shape[k] = shape[k];
  vec_push(l->arena, &l->entry->inputs, in);
  Value *v = v_of_node(l, n, ids);
  v->what = name;
  v->span = at;
  return v;
}

Value *param_value(Low *l, int param) {
  Entry *e = l->entry;
  const LParam *p = &l->params.at[param];
  Node *n = NULL;
  for (int i = 0; i < e->views.n; i++)
    if (e->views.at[i].param == param) n = e->views.at[i].node;
  if (!n) {
    int k = p->matrix ? 0 : 1;
    if (!e->flat[k]) {
      int64_t one = 1; /* the length is known once every entry is lowered */
      e->flat[k] = ir_state(
          l->g, arena_printf(l->arena, "%s.%s", e->ema ? "ema" : "params", k ? "vector" : "matrix"),
          TY_REAL, 1, &one, p->span);
    }
    n = ir_view(l->g, l->g->top, p->name, e->flat[k], 0, p->rank, p->shape, p->span);
    ParamView view = {param, e->ema, n};
    vec_push(l->arena, &e->views, view);
  }
  Value *v = v_of_node(l, n, p->axis);
  v->span = p->span;
  return v;
}

bool bind_inputs(Low *l, Scope *s, ADecl *d, bool from_data) {
  for (int i = 0; i < d->formals.n; i++) {
    AFormal *f = &d->formals.at[i];
    int64_t shape[IR_MAX_RANK], hi = 0;
    const char *ids[IR_MAX_RANK] = {NULL};
    const char *vocab = NULL;
    if (f->items.n > IR_MAX_RANK) {
      lower_error(l, 215, f->span, "an input has at most %d axes", IR_MAX_RANK);
      return false;
    }
    for (int k = 0; k < f->items.n; k++) {
      const AItem *it = &f->items.at[k];
      if (!it->expr || (it->expr->kind == A_NAME && !scope_find(s, it->expr->name))) {
        Diag *x =
            lower_error(l, 201, it->span, "the inputs of a %s have extents known at compile time",
                        adecl_spelling(d->kind));
        diag_hint(l->d, x, "name dims here: %s[B, L]", f->name);
        return false;
      }
      if (!lower_extent(l, s, it->expr, &shape[k], &ids[k])) return false;
    }
    if (f->id_bound && !lower_extent(l, s, f->id_bound, &hi, &vocab)) return false;
    const char *data = NULL;
    if (from_data) {
      for (int k = 0; k < l->datas.n; k++)
        if (l->datas.at[k]->ok && l->datas.at[k]->got.vocab == hi && f->id_bound && f->items.n == 2)
          data = l->datas.at[k]->info.name;
      if (!data || i > 0) {
        Diag *x = lower_error(l, 415, f->span,
                              "a loss takes one input, windows of the text: x: id<V>[B, L] with V "
                              "= the data's vocab");
        if (l->datas.n == 0)
          diag_hint(l->d, x, "declare the text: data text { source \"tiny_shakespeare\" }");
        return false;
      }
      l->loss_window = shape[1];
      l->loss_data = data;
      l->vocab = hi;
      l->vocab_id = vocab;
    }
    Value *v = entry_input(l, f->name, f->id_bound ? TY_INT : TY_REAL, f->items.n, shape, ids, 0,
                           f->id_bound ? hi - 1 : 0, data, f->span);
    v->id = vocab;
    scope_set(l, s, f->name, v, f->span);
  }
  return true;
}

/* Leaves that were met inside a loop's body stand behind the loop in the top
 * region: bring all leaves to its front, states before the views of them. */
void entry_settle(Entry *e) {
  Graph *g = e->g;
  Region *top = g->top;
  Region sorted = {.loop = top->loop, .parent = top->parent};
  for (int round = 0; round < 3; round++)
    for (int i = 0; i < top->nodes.n; i++) {
      Node *n = top->nodes.at[i];
      bool root = n->kind == N_INPUT || n->kind == N_STATE || n->kind == N_CONST;
      bool view = n->kind == N_VIEW && n->base->kind == N_STATE;
      if (round == (root ? 0 : view ? 1 : 2)) vec_push(g->arena, &sorted.nodes, n);
    }
  top->nodes.at = sorted.nodes.at;
  top->nodes.n = sorted.nodes.n;
  top->nodes.cap = sorted.nodes.cap;
}

void unit_add_entry(Low *l, Entry *e) {
  entry_settle(e);
  Unit *u = l->unit;
  u->entries = arena_grow(l->arena, u->entries, sizeof(UnitEntry) * (size_t)u->nentries,
                          sizeof(UnitEntry) * (size_t)(u->nentries + 1));
  UnitEntry *out = &u->entries[u->nentries++];
  out->name = e->name;
  out->graph = e->g;
  out->repeated = e->repeated;
  out->inputs = e->inputs.at;
  out->ninputs = e->inputs.n;
  vec_push(l->arena, &l->entries, e);
}

/* Are all extents in the header known? Else the model is a function of the sizes
 * it is given and no root. */
static bool fixed_inputs(const Fn *fn) {
  for (int i = 0; i < fn->decl->formals.n; i++) {
    const AFormal *f = &fn->decl->formals.at[i];
    if (!f->is_tensor && !f->dflt) return false;
    for (int k = 0; k < f->items.n; k++) {
      const AExpr *e = f->items.at[k].expr;
      if (!e || (e->kind == A_NAME && !scope_find(fn->scope, e->name))) return false;
    }
  }
  return true;
}

static bool build_model(Low *l, Fn *fn) {
  ADecl *d = fn->decl;
  Entry *e = entry_new(l, arena_printf(l->arena, "model.%s", d->name));
  Context c = context_begin(l, e);
  Scope *s = scope_new(l, fn->scope, true);
  bool ok = bind_inputs(l, s, d, false);
  if (ok) {
    Value *args[64];
    Span spans[64];
    int n = 0;
    for (; n < d->formals.n && n < 64; n++) {
      args[n] = scope_here(s, d->formals.at[n].name)->value;
      spans[n] = d->formals.at[n].span;
    }
    Value *v = call_fn(l, fn, args, NULL, spans, n, d->name_span);
    ok = v->kind != V_POISON;
    for (int i = 0; ok && i < d->results.n; i++) {
      Value *r = v->kind == V_PACKED ? v->parts[i] : v;
      if (r->kind != V_TENSOR && r->kind != V_NUM) {
        ok = false;
        break;
      }
      Output o = {d->results.at[i].name, value_node(l, r, d->results.at[i].name, d->span)};
      vec_push(l->arena, &l->g->outputs, o);
    }
  }
  context_end(l, &c);
  if (ok) unit_add_entry(l, e);
  return ok;
}

bool build_models(Low *l) {
  bool ok = true;
  VEC(const char *) names = {0};
  for (int i = 0; i < l->root->names.n; i++) {
    Value *v = l->root->names.at[i].value;
    if (v->kind != V_FN || v->fn->decl->kind != D_MODEL || !fixed_inputs(v->fn)) continue;
    vec_push(l->arena, &names, v->fn->decl->name);
    if (!l->options->no_models) ok = build_model(l, v->fn) && ok;
  }
  l->unit->models = names.at;
  l->unit->nmodels = names.n;
  return ok;
}
