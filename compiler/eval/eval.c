/* SPDX-License-Identifier: MIT */
/* The reference evaluator: the meaning of a graph, in double precision and
 * plain order. It checks what compiled code takes for proved: bounds of reads,
 * ranges of integers. */
#include "compiler/eval/eval_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- preparation ------------------------------------------------------------- */

static bool is_updated(const Graph *g, const Node *state) {
  for (int i = 0; i < g->updates.n; i++)
    if (g->updates.at[i].state == state) return true;
  return false;
}

/* A view shares its base's storage, except that of a state which changes at
 * the end of the run. */
static bool shares(const Graph *g, const Node *n) {
  return n->kind == N_VIEW && !(n->base->kind == N_STATE && is_updated(g, n->base));
}

static void allocate(Eval *ev, Node *n) {
  EvalNode *x = &ev->node[n->id];
  if (n->kind == N_LOOP) return;
  if (n->kind == N_CONST && n->data) {
    x->value = (double *)n->data;
  } else if (shares(ev->g, n)) {
    x->value = ev->node[n->base->id].value + n->offset;
  } else {
    int64_t count = ir_count(n);
    x->value = calloc((size_t)(count > 0 ? count : 1), sizeof *x->value);
    if (!x->value) out_of_memory(NULL);
    x->owned = true;
  }
}

typedef struct Undefined {
  const Eval *ev;
  bool found;
} Undefined;

static void note_undefined(Node *read, void *ctx) {
  Undefined *u = ctx;
  if (u->ev->node[read->id].undefined) u->found = true;
}

/* What hangs on a cotangent placeholder has no value. */
static bool is_undefined(Eval *ev, Node *n) {
  if (n->kind == N_COTANGENT) return true;
  if (n->kind == N_LOOP) return false;
  if (n->kind == N_CARRY) return ev->node[n->loop->carries.at[n->slot].init->id].undefined;
  if (n->kind == N_STACK) return ev->node[n->loop->emits.at[n->slot]->id].undefined;
  if (n->kind == N_FINAL) {
    const Carry *c = &n->loop->carries.at[n->slot];
    return ev->node[c->in->id].undefined || ev->node[c->next->id].undefined;
  }
  Undefined u = {ev, false};
  ir_each_read(ev->g, n, note_undefined, &u);
  return u.found;
}

static void prepare(Eval *ev, Region *r) {
  for (int i = 0; i < r->nodes.n; i++) {
    Node *n = r->nodes.at[i];
    allocate(ev, n);
    ev->node[n->id].undefined = is_undefined(ev, n);
    if (n->kind == N_LOOP) prepare(ev, n->loop->body);
    if ((n->kind == N_COMP || n->kind == N_SCATTER) && !ev->node[n->id].undefined)
      ev->node[n->id].code = code_new(ev, n);
  }
}

static int64_t scratch_need(const Graph *g) {
  int64_t need = 1;
  for (int i = 0; i < g->loops.n; i++) {
    int64_t sum = 0;
    for (int k = 0; k < g->loops.at[i]->carries.n; k++)
      sum += ir_count(g->loops.at[i]->carries.at[k].in);
    if (sum > need) need = sum;
  }
  int64_t sum = 0;
  for (int i = 0; i < g->updates.n; i++) sum += ir_count(g->updates.at[i].state);
  return sum > need ? sum : need;
}

Eval *eval_new(Graph *g, uint64_t seed, int64_t step) {
  Arena *arena = arena_new();
  Eval *ev = NEW(arena, Eval);
  ev->arena = arena;
  ev->g = g;
  ev->seed = seed;
  ev->step = step;
  ev->nnodes = g->nodes.n;
  ev->node = NEWN(arena, EvalNode, g->nodes.n + 1);
  ev->counter = NEWN(arena, int64_t, g->loops.n + 1);
  ev->scratch = calloc((size_t)scratch_need(g), sizeof *ev->scratch);
  if (!ev->scratch) out_of_memory(NULL);
  prepare(ev, g->top);
  return ev;
}

void eval_free(Eval *ev) {
  if (!ev) return;
  for (int i = 0; i < ev->nnodes; i++)
    if (ev->node[i].owned) free(ev->node[i].value);
  free(ev->scratch);
  arena_free(ev->arena);
}

double *eval_bind(Eval *ev, Node *n) {
  if (n->kind != N_INPUT && n->kind != N_STATE) bug("'%s' is neither input nor state", n->name);
  return ev->node[n->id].value;
}

const double *eval_value(Eval *ev, Node *n) { return ev->node[n->id].value; }

void eval_set_step(Eval *ev, int64_t step) { ev->step = step; }

void eval_set_seed(Eval *ev, uint64_t seed) { ev->seed = seed; }

/* ---- running -------------------------------------------------------------------- */

static size_t bytes_of(const Node *n) { return (size_t)ir_count(n) * sizeof(double); }

static void copy(Eval *ev, double *to, const Node *from) {
  size_t bytes = bytes_of(from);
  if (bytes > 0) memcpy(to, ev->node[from->id].value, bytes);
}

static bool run_region(Eval *ev, Region *r);

/* All carries step at once: one may be another's next. */
static void step_carries(Eval *ev, Loop *l) {
  double *at = ev->scratch;
  for (int k = 0; k < l->carries.n; k++) {
    copy(ev, at, l->carries.at[k].next);
    at += ir_count(l->carries.at[k].in);
  }
  at = ev->scratch;
  for (int k = 0; k < l->carries.n; k++) {
    size_t bytes = bytes_of(l->carries.at[k].in);
    if (bytes > 0) memcpy(ev->node[l->carries.at[k].in->id].value, at, bytes);
    at += ir_count(l->carries.at[k].in);
  }
}

/* The results are nodes of the region around the loop: stacks fill as it runs. */
static bool run_loop(Eval *ev, Loop *l, Region *around) {
  for (int k = 0; k < l->carries.n; k++)
    copy(ev, ev->node[l->carries.at[k].in->id].value, l->carries.at[k].init);
  for (int64_t i = 0; i < l->count; i++) {
    int64_t counter = l->reverse ? l->count - 1 - i : i;
    ev->counter[l->id] = counter;
    if (!run_region(ev, l->body)) return false;
    for (int k = 0; k < around->nodes.n; k++) {
      Node *n = around->nodes.at[k];
      if (n->kind != N_STACK || n->loop != l) continue;
      Node *emit = l->emits.at[n->slot];
      copy(ev, ev->node[n->id].value + counter * ir_count(emit), emit);
    }
    step_carries(ev, l);
  }
  return true;
}

static bool run_node(Eval *ev, Node *n) {
  EvalNode *x = &ev->node[n->id];
  if (x->undefined) return true;
  switch (n->kind) {
  case N_INPUT:
  case N_STATE:
  case N_CONST:
  case N_CARRY:
  case N_STACK:
  case N_COTANGENT: return true;
  case N_VIEW:
    if (x->owned && bytes_of(n) > 0)
      memcpy(x->value, ev->node[n->base->id].value + n->offset, bytes_of(n));
    return true;
  case N_PACK: {
    double *at = x->value;
    for (int i = 0; i < n->parts.n; i++) {
      copy(ev, at, n->parts.at[i]);
      at += ir_count(n->parts.at[i]);
    }
    return true;
  }
  case N_COMP:
  case N_SCATTER: return code_run(ev, x->code);
  case N_LOOP: return run_loop(ev, n->loop, n->region);
  case N_FINAL: copy(ev, x->value, n->loop->carries.at[n->slot].in); return true;
  }
  return true;
}

static bool run_region(Eval *ev, Region *r) {
  for (int i = 0; i < r->nodes.n; i++)
    if (!run_node(ev, r->nodes.at[i])) return false;
  return true;
}

/* Integers from outside must lie where the proofs took them to lie. */
static bool check_bound(Eval *ev, const Node *n) {
  if (n->type == TY_REAL || (n->kind != N_INPUT && n->kind != N_STATE && n->kind != N_CONST))
    return true;
  const double *x = ev->node[n->id].value;
  int64_t count = ir_count(n);
  for (int64_t i = 0; i < count; i++)
    if (!(x[i] >= (double)n->lo && x[i] <= (double)n->hi)) {
      ev->error = arena_printf(ev->arena, "'%s' holds %g, outside of %lld .. %lld", n->name, x[i],
                               (long long)n->lo, (long long)n->hi);
      return false;
    }
  return true;
}

static bool check_bounds(Eval *ev, const Region *r) {
  for (int i = 0; i < r->nodes.n; i++) {
    const Node *n = r->nodes.at[i];
    if (!check_bound(ev, n)) return false;
    if (n->kind == N_LOOP && !check_bounds(ev, n->loop->body)) return false;
  }
  return true;
}

static bool check_defined(Eval *ev, const Node *n, const char *what) {
  if (!ev->node[n->id].undefined) return true;
  ev->error =
      arena_printf(ev->arena, "%s '%s' depends on a cotangent, which has no value", what, n->name);
  return false;
}

static void apply_updates(Eval *ev) {
  Graph *g = ev->g;
  double *at = ev->scratch;
  for (int i = 0; i < g->updates.n; i++) {
    copy(ev, at, g->updates.at[i].value);
    at += ir_count(g->updates.at[i].value);
  }
  at = ev->scratch;
  for (int i = 0; i < g->updates.n; i++) {
    size_t bytes = bytes_of(g->updates.at[i].state);
    if (bytes > 0) memcpy(ev->node[g->updates.at[i].state->id].value, at, bytes);
    at += ir_count(g->updates.at[i].state);
  }
}

const char *eval_run(Eval *ev) {
  Graph *g = ev->g;
  ev->error = NULL;
  for (int i = 0; i < g->outputs.n; i++)
    if (!check_defined(ev, g->outputs.at[i].node, "the output")) return ev->error;
  for (int i = 0; i < g->updates.n; i++)
    if (!check_defined(ev, g->updates.at[i].value, "the update")) return ev->error;
  if (g->step) ev->node[g->step->id].value[0] = (double)ev->step;
  if (!check_bounds(ev, g->top)) return ev->error;
  if (!run_region(ev, g->top)) return ev->error;
  apply_updates(ev);
  return NULL;
}
