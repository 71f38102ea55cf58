/* SPDX-License-Identifier: MIT */
/* What a convolution reads at moved places is stored, where it would otherwise be
 * computed again for each tap.
 *
 * needs       regions in order
 * guarantees  values stay; new nodes stand before the node they were part of
 * breaks      nothing: what is read in the new node lies in bounds by its extents
 *
 *     y[l, o] = sum over k, c (0 <= l + k - 1 < 64 ? silu(x[l + k - 1, c]) : 0) * w[k, c, o]
 *  -> s[l, c] = silu(x[l, c])
 *     y[l, o] = sum over k, c (0 <= l + k - 1 < 64 ? s[l + k - 1, c] : 0) * w[k, c, o]
 *
 * The measure is that of inline.c: an element that is stored costs TargetCosts.store. */
#include "compiler/passes/pipeline.h"
#include "compiler/plan/contract.h"

/* The indices at which a subexpression reads: each is an axis of what is stored. */
typedef struct Axes {
  Expr *index[IR_MAX_RANK];
  int64_t extent[IR_MAX_RANK];
  const char *name[IR_MAX_RANK];
  int n;
  int visits; /* shared subexpressions are walked through each time: of large ones none is found */
  bool fails;
} Axes;

enum { VISITS_MAX = 256 };

typedef struct Taps {
  Graph *g;
  double store;
  const Node *n;
  Expr *found; /* the costliest that is worth it */
  double gain;
  Axes axes;
} Taps;

static void add_axis(Axes *a, Expr *index, int64_t extent, const char *name) {
  for (int i = 0; i < a->n; i++)
    if (a->index[i] == index) {
      a->fails = a->fails || a->extent[i] != extent;
      return;
    }
  if (a->n == IR_MAX_RANK) {
    a->fails = true;
    return;
  }
  a->index[a->n] = index;
  a->extent[a->n] = extent;
  a->name[a->n++] = name;
}

/* Variables stand in indices alone, and these are sums of them. */
static void find_axes(Graph *g, Expr *e, Axes *a) {
  if (e->draws || e->kind == E_VAR || a->visits++ == VISITS_MAX) a->fails = true;
  if (a->fails || e->vars == 0) return;
  if (e->kind != E_READ) {
    for (int i = 0; i < e->nargs; i++) find_axes(g, e->args[i], a);
    return;
  }
  for (int d = 0; d < e->nargs; d++) {
    Affine f;
    if (e->args[d]->vars == 0) continue;
    if (e->args[d]->reads || !ex_affine(g, e->args[d], &f)) a->fails = true;
    add_axis(a, e->args[d], e->node->shape[d], e->node->axis[d]);
  }
}

static void consider(Expr *e, void *ctx) {
  Taps *t = ctx;
  const Node *n = t->n;
  if (e->kind != E_PRIM || e->type != TY_REAL || e->vars == 0 || !e->reads || e == n->body) return;
  Axes a = {.n = 0};
  find_axes(t->g, e, &a);
  if (a.fails || a.n == 0) return;
  double times = 1, count = 1;
  for (int v = 0; v < n->nvars; v++)
    if (e->vars >> v & 1) times *= (double)n->extent[v];
  for (int i = 0; i < a.n; i++) count *= (double)a.extent[i];
  double gain = ex_cost(t->g, e) * (times - count) - t->store * count;
  if (gain <= t->gain) return;
  t->found = e;
  t->gain = gain;
  t->axes = a;
}

/* e over the axes: each read is rebuilt, and nothing else has variables. */
static Expr *over_axes(Graph *g, Expr *e, const Axes *a) {
  if (e->vars == 0) return e;
  Expr *args[IR_MAX_RANK];
  if (e->kind == E_READ) {
    for (int d = 0; d < e->nargs; d++) {
      args[d] = e->args[d];
      for (int i = 0; i < a->n; i++)
        if (e->args[d] == a->index[i]) args[d] = ex_var(g, i);
    }
    return ex_read(g, e->node, args);
  }
  for (int i = 0; i < e->nargs; i++) args[i] = over_axes(g, e->args[i], a);
  return ex_prim(g, e->prim, args);
}

static Node *store(Taps *t, Node *n) {
  Graph *g = t->g;
  const Axes *a = &t->axes;
  Node *m = ir_comp(g, n->region, n->name, n->span, a->n, 0, a->extent, RED_NONE, NULL,
                    over_axes(g, t->found, a));
  for (int d = 0; d < a->n; d++) m->axis[d] = a->name[d];
  ir_put_before(m, n);
  return m;
}

static void split_node(Graph *g, const PassOptions *o, Node *n) {
  while (contract_matches(g, &o->target->products, n)) {
    Taps t = {.g = g, .store = o->target->costs.store, .n = n};
    ex_visit(g, n->body, consider, &t);
    if (!t.found) return;
    n->body = ex_replace(g, n->body, t.found, ex_read(g, store(&t, n), t.axes.index));
  }
}

static void split_region(Graph *g, const PassOptions *o, Region *r) {
  for (int i = 0; i < r->nodes.n; i++) {
    Node *n = r->nodes.at[i];
    if (n->kind == N_LOOP)
      split_region(g, o, n->loop->body);
    else if (n->kind == N_COMP)
      split_node(g, o, n);
    while (r->nodes.at[i] != n) i++; /* new ones moved it */
  }
}

void pass_taps(Graph *g, const PassOptions *o) { split_region(g, o, g->top); }
