/* SPDX-License-Identifier: MIT */
/* Costly subexpressions that depend on few of a node's variables become nodes
 * of their own: tables, computed once for each value of those variables. So do
 * those that are the same in many runs, where these may be kept (plan/once.c).
 *
 * needs       regions in order
 * guarantees  values stay; new nodes stand before the node they were part of
 * breaks      nothing: what is read without a guard now is proved to be in bounds
 *
 *     y[b:8, l, d] = x[b, l, d] + sin(l / pow(1e4, d / 384))
 *  -> p[d] = pow(1e4, d / 384); t[l, d] = sin(l / p[d]); y[b, l, d] = x[b, l, d] + t[l, d]
 *
 * What only outer variables enter is left alone: kernels compute it outside of
 * their inner loops anyway. */
#include "compiler/passes/pipeline.h"
#include "compiler/plan/once.h"

typedef struct Tables {
  Graph *g;
  const TargetCosts *costs;
  Once *once; /* NULL: nothing is kept */
  Node *n;
  Expr *found; /* the largest that qualifies */
  double gain;
} Tables;

static double executions(const Node *n, uint32_t vars) {
  double times = 1;
  for (int v = 0; v < n->nvars; v++)
    if (vars >> v) times *= (double)n->extent[v];
  return times;
}

static double points(const Node *n, uint32_t vars) {
  double count = 1;
  for (int v = 0; v < n->nvars; v++)
    if (vars >> v & 1) count *= (double)n->extent[v];
  return count;
}

/* Is e computed in fewer runs than its node, and worth keeping for the others? */
static bool is_kept(const Tables *t, Expr *e, double ops, double count) {
  return t->once && count <= (double)t->costs->kept_most &&
         once_worth(t->costs, ops, (int64_t)count) && once_of(t->once, t->n) == TD_ANEW &&
         once_of_expr(t->once, e) != TD_ANEW;
}

static void consider(Expr *e, void *ctx) {
  Tables *t = ctx;
  Node *n = t->n;
  if (e->kind != E_PRIM || e->type != TY_REAL || e->vars == 0 || e == n->body) return;
  if (__builtin_popcount(e->vars) > IR_MAX_RANK) return;
  double times = executions(n, e->vars), count = points(n, e->vars), ops = ex_cost(t->g, e);
  const TargetCosts *c = t->costs;
  bool kept = is_kept(t, e, ops, count);
  double gain = ops * (kept ? times : times - count);
  if (ops < c->table_entry || (!kept && times < (double)c->table_uses * count) ||
      gain < c->table_gain || gain < t->gain)
    return;
  if (!ex_reads_in_range(t->g, e, n->extent, n->nvars)) return;
  t->found = e;
  t->gain = gain;
}

static Node *make_table(Tables *t) {
  Graph *g = t->g;
  Node *n = t->n;
  int64_t extent[IR_MAX_VARS];
  const char *axis[IR_MAX_VARS];
  Expr *map[IR_MAX_VARS] = {0};
  int rank = 0;
  for (int v = 0; v < n->nvars; v++) {
    if (!(t->found->vars >> v & 1)) continue;
    extent[rank] = n->extent[v];
    axis[rank] = v < n->rank && n->kind == N_COMP ? n->axis[v] : NULL;
    map[v] = ex_var(g, rank++);
  }
  Node *m = ir_comp(g, n->region, n->name, n->span, rank, 0, extent, RED_NONE, NULL,
                    ex_subst(g, t->found, map, n->nvars));
  for (int d = 0; d < rank; d++) m->axis[d] = axis[d];
  ir_put_before(m, n);
  if (t->once) once_note(t->once, m);
  return m;
}

static void split_node(const Tables *all, Node *n) {
  Graph *g = all->g;
  for (;;) {
    Tables t = *all;
    t.n = n;
    ex_visit(g, n->body, consider, &t);
    if (!t.found) return;
    Node *m = make_table(&t);
    Expr *index[IR_MAX_RANK];
    int rank = 0;
    for (int v = 0; v < n->nvars; v++)
      if (t.found->vars >> v & 1) index[rank++] = ex_var(g, v);
    n->body = ex_replace(g, n->body, t.found, ex_read(g, m, index));
    split_node(all, m);
  }
}

static void split_region(const Tables *all, Region *r) {
  for (int i = 0; i < r->nodes.n; i++) {
    Node *n = r->nodes.at[i];
    if (n->kind == N_LOOP)
      split_region(all, n->loop->body);
    else if (ir_computes(n))
      split_node(all, n);
    while (r->nodes.at[i] != n) i++; /* tables moved it */
  }
}

void pass_tables(Graph *g, const PassOptions *o) {
  const TargetCosts *c = &o->target->costs;
  Once *once = o->keeps && c->kept_most > 0 ? once_find(g, o->repeated) : NULL;
  split_region(&(Tables){.g = g, .costs = c, .once = once}, g->top);
}
