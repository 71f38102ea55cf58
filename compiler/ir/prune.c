/* SPDX-License-Identifier: MIT */
/* Removes what nothing needs: nodes, carries and emits of loops, whole loops.
 *
 * needs       a verified graph
 * guarantees  every node in a region is reached from an output or an update;
 *             every carry and emit that is left has a reader
 * keeps       inputs and states (they are the entry's interface), and what a
 *             user's derivative on a live node refers to
 * breaks      nothing
 *
 *     a = exp(x[i])                            a = exp(x[i])
 *     b = a[i] + 1                     ->      output a
 *     output a                                                              */
#include "compiler/ir/ir.h"
#include "compiler/ir/walk.h"

typedef struct Live {
  Graph *g;
  uint8_t *node; /* by node id */
  VEC(Node *) work;
  bool values; /* what values need, not what derivatives refer to */
} Live;

static void need(Node *n, void *ctx) {
  Live *live = ctx;
  if (live->node[n->id]) return;
  live->node[n->id] = 1;
  vec_push(live->g->arena, &live->work, n);
}

static void need_expr(Live *live, Expr *e) {
  if (!e || !e->reads) return;
  ExprWalk *w = walk_take(live->g, e);
  for (int i = 0; i < w->n; i++)
    if (w->order[i]->kind == E_READ) need(w->order[i]->node, live);
  walk_give(live->g, w);
}

/* A loop inside which something lives must run. */
static void need_region(Live *live, const Region *r) {
  for (; r && r->loop; r = r->parent) need(r->loop->node, live);
}

static void need_carry(Live *live, Loop *l, int slot) {
  Carry *c = &l->carries.at[slot];
  need(c->init, live);
  need(c->in, live);
  if (c->next) need(c->next, live);
  need(l->node, live);
}

static void expand(Live *live, Node *n) {
  need_region(live, n->region);
  switch (n->kind) {
  case N_INPUT:
  case N_STATE:
  case N_CONST:
  case N_COTANGENT:
  case N_LOOP: break;
  case N_VIEW: need(n->base, live); break;
  case N_PACK:
    for (int i = 0; i < n->parts.n; i++) need(n->parts.at[i], live);
    break;
  case N_SCATTER:
    for (int i = 0; i < n->rank; i++) need_expr(live, n->index[i]);
    need_expr(live, n->guard);
    need_expr(live, n->body);
    break;
  case N_COMP:
    need_expr(live, n->guard);
    need_expr(live, n->body);
    break;
  case N_CARRY:
  case N_FINAL: need_carry(live, n->loop, n->slot); break;
  case N_STACK:
    need(n->loop->node, live);
    need(n->loop->emits.at[n->slot], live);
    break;
  }
  if (!n->vjp || live->values) return;
  if (n->vjp->cotangent) need(n->vjp->cotangent, live);
  for (int i = 0; i < n->vjp->wrt.n; i++) need(n->vjp->wrt.at[i], live);
  for (int i = 0; i < n->vjp->adjoint.n; i++)
    if (n->vjp->adjoint.at[i]) need(n->vjp->adjoint.at[i], live);
}

static bool kept(const Live *live, const Node *n) {
  return live->node[n->id] ||
         ((n->kind == N_INPUT || n->kind == N_STATE) && n->region->loop == NULL);
}

static void sweep(Live *live, Region *r) {
  int n = 0;
  for (int i = 0; i < r->nodes.n; i++) {
    Node *x = r->nodes.at[i];
    if (!kept(live, x)) continue;
    r->nodes.at[n++] = x;
    if (x->kind == N_LOOP) sweep(live, x->loop->body);
  }
  r->nodes.n = n;
}

/* Close the gaps that dead carries and emits leave. An emit lives when its
 * N_STACK does. */
static void compact_loop(Loop *l, const Live *live, const uint8_t *stacked) {
  int n = 0;
  for (int i = 0; i < l->carries.n; i++) {
    Carry c = l->carries.at[i];
    if (!live->node[c.in->id]) continue;
    c.in->slot = n;
    l->carries.at[n++] = c;
  }
  l->carries.n = n;
  n = 0;
  for (int i = 0; i < l->emits.n; i++)
    if (stacked[i]) l->emits.at[n++] = l->emits.at[i];
  l->emits.n = n;
}

/* Renumber the finals and stacks of one loop, then compact it. */
static void compact_results(Live *live, Loop *l) {
  uint8_t *stacked = NEWN(live->g->arena, uint8_t, l->emits.n + 1);
  Region *r = l->node->region;
  for (int i = 0; i < r->nodes.n; i++)
    if (r->nodes.at[i]->kind == N_STACK && r->nodes.at[i]->loop == l)
      stacked[r->nodes.at[i]->slot] = 1;
  for (int i = 0; i < r->nodes.n; i++) {
    Node *x = r->nodes.at[i];
    if (x->loop != l || (x->kind != N_FINAL && x->kind != N_STACK)) continue;
    int slot = 0;
    for (int k = 0; k < x->slot; k++)
      slot += x->kind == N_FINAL ? live->node[l->carries.at[k].in->id] : stacked[k];
    x->slot = slot;
  }
  compact_loop(l, live, stacked);
}

static Live nothing_reached(Graph *g, bool values) {
  return (Live){.g = g, .node = NEWN(g->arena, uint8_t, g->nodes.n + 1), .values = values};
}

static Live reached(Graph *g, bool values) {
  Live live = nothing_reached(g, values);
  for (int i = 0; i < g->outputs.n; i++) need(g->outputs.at[i].node, &live);
  for (int i = 0; i < g->updates.n; i++) {
    need(g->updates.at[i].state, &live);
    need(g->updates.at[i].value, &live);
  }
  for (int i = 0; i < live.work.n; i++) expand(&live, live.work.at[i]);
  return live;
}

const Node *ir_missing(Graph *g) {
  Live live = reached(g, true);
  for (int i = 0; i < live.work.n; i++)
    if (live.work.at[i]->kind == N_COTANGENT) return live.work.at[i];
  return NULL;
}

const uint8_t *ir_needed(Graph *g, Node *const *roots, int n) {
  if (!roots) return reached(g, true).node;
  Live live = nothing_reached(g, true);
  for (int i = 0; i < n; i++) need(roots[i], &live);
  for (int i = 0; i < live.work.n; i++) expand(&live, live.work.at[i]);
  return live.node;
}

void ir_prune(Graph *g) {
  Live live = reached(g, false);
  sweep(&live, g->top);
  for (int i = 0; i < g->loops.n; i++)
    if (live.node[g->loops.at[i]->node->id]) compact_results(&live, g->loops.at[i]);
}

void ir_drop_derivatives(Graph *g) {
  for (int i = 0; i < g->nodes.n; i++) g->nodes.at[i]->vjp = NULL;
  ir_prune(g);
}
