/* SPDX-License-Identifier: MIT */
/* What a group's draws and functions take at the least, in FLOPs that multiply-adds at their peak
 * do meanwhile (TargetRates). Divisions and roots have a unit of their own beside them. They are
 * counted from the index space, each expression as often as what it depends on has values: a writer
 * of kernels may put it in front of loops that do not change it, and may not do with fewer.
 *
 * needs       groups whose members are final; rows and chains planned
 * guarantees  no more than what the kernel does
 *
 *     y[l, d] = x[l, d] * exp(s[l])   ->   l times a function                                */
#include "compiler/plan/chain.h"
#include "compiler/plan/rows.h"

typedef struct Dear {
  Plan *p;
  int64_t extent[IR_MAX_VARS]; /* of the variables of the expressions that are counted */
  double share;                /* of all iterations */
  double sum;
  VEC(const Expr *) seen; /* in this nest: computed once for all who have it */
} Dear;

/* Of one evaluation. A normal draw has a logarithm and a cosine for two, the others of the kind one
 * logarithm. */
static double cost_of(const TargetRates *r, const Expr *e) {
  const Prim p = (Prim)e->prim;
  if (prim_draws(p)) return r->draw + (p == P_uniform || p == P_pick ? 0 : r->function);
  if (p == P_sqrt || p == P_rsqrt) return 0;
  return e->type == TY_REAL && prim_expensive(p) ? r->function : 0;
}

static void add_dear(Expr *e, void *ctx) {
  Dear *d = ctx;
  if (e->kind != E_PRIM) return;
  double cost = cost_of(&d->p->target->rates, e);
  if (cost <= 0) return;
  for (int i = 0; i < d->seen.n; i++)
    if (d->seen.at[i] == e) return;
  vec_push(d->p->arena, &d->seen, e);
  for (int v = 0; v < IR_MAX_VARS; v++)
    if (e->vars >> v & 1) cost *= (double)d->extent[v];
  d->sum += cost * d->share;
}

static void add_rows(Dear *d, const RowPlan *r, double banded) {
  for (int i = 0; i < r->nitems; i++) {
    const Item *it = &r->items[i];
    if (i == 0 || it->nest != r->items[i - 1].nest) d->seen.n = 0;
    for (int v = 0; v < r->nrows; v++) d->extent[v] = r->row_extent[v];
    for (int k = 0; k < it->nloops; k++) d->extent[r->nrows + k] = it->extent[k];
    d->share = it->banded ? banded : it->share;
    ex_visit(d->p->g, it->body, add_dear, d);
  }
}

static void add_node(Dear *d, const Node *n, double share) {
  for (int v = 0; v < n->nvars; v++) d->extent[v] = n->extent[v];
  d->share = share;
  ex_visit(d->p->g, n->body, add_dear, d);
}

double plan_dear(Plan *p, const Group *g) {
  Dear d = {.p = p};
  const Chain *c = g->chain;
  switch (g->kind) {
  case GROUP_ROWS: add_rows(&d, g->rows, 1); break;
  case GROUP_CONTRACTION: /* an operand may leave out what conditions remove */
    for (int i = 1; i < g->members.n; i++) add_node(&d, g->members.at[i].node, 1);
    break;
  case GROUP_CHAIN:
    for (int i = 0; i < CHAIN_PROGRAMS; i++)
      add_rows(&d, c->program[i], c->band ? c->band->share : 1);
    break;
  case GROUP_SCATTER: add_node(&d, g->members.at[0].node, 1); break;
  case GROUP_PACK:
  case GROUP_LOOP: break;
  }
  return d.sum;
}
