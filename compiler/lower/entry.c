/* SPDX-License-Identifier: MIT */
/* Entries: graphs under construction, with their inputs and the parameters they
 * read, and what must not leak from one into another. */
#include <string.h>

#include "compiler/lower/entry.h"
#include "compiler/lower/lower.h"
#include "compiler/lower/value.h"

Entry *entry_new(Lowering *l, const char *name) {
  Entry *e = NEW(l->arena, Entry);
  e->g = graph_new(l->arena, l->names, name);
  e->name = name;
  return e;
}

void entry_enter(Lowering *l, Entry *e) {
  l->entry = e;
  l->g = e->g;
  l->region = e->g->top;
}

Context context_begin(Lowering *l, Entry *e) {
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
  l->undrawn = NULL;
  return c;
}

void context_end(Lowering *l, const Context *c) {
  const Lowering *s = &c->saved;
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
  l->undrawn = s->undrawn;
}

/* Inputs are given by name. What the program counts by itself may be called as one of the user's:
 * a sampler's loop, the step. */
static void input_name_is_free(Lowering *l, const char *name, Span at) {
  for (int i = 0; i < l->g->top->nodes.n; i++) {
    const Node *n = l->g->top->nodes.at[i];
    if (n->kind != N_INPUT || strcmp(n->name, name) != 0) continue;
    bool step = !strcmp(name, "step");
    Diag *x = lower_error(l, 302, n->span, "'%s' is declared twice", name);
    diag_note(l->d, x, at, step ? "the number of the step is called so here" : "here it is too");
    diag_hint(l->d, x, "choose another name");
  }
}

Value *entry_input(Lowering *l, const char *name, Type t, int rank, const int64_t *shape,
                   const char *const *ids, int64_t lo, int64_t hi, const char *data, Span at) {
  input_name_is_free(l, name, at);
  Node *n = ir_input(l->g, name, t, rank, shape, lo, hi, at);
  UnitInput in = {.name = name, .type = t, .rank = rank, .lo = lo, .hi = hi, .data = data};
  for (int k = 0; k < rank; k++) in.shape[k] = shape[k];
  vec_push(l->arena, &l->entry->inputs, in);
  Value *v = v_of_node(l, n, ids);
  v->what = name;
  v->span = at;
  return v;
}

Value *entry_step(Lowering *l, Span at) {
  Entry *e = l->entry;
  if (!e->step) {
    e->step = entry_input(l, "step", TY_INT, 0, NULL, NULL, 1, (int64_t)1 << 40, NULL, at);
    l->g->step = e->step->e->node;
  }
  return e->step;
}

Value *param_value(Lowering *l, int param) {
  Entry *e = l->entry;
  const Parameter *p = &l->params.at[param];
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

void entry_add(Lowering *l, Entry *e) {
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
