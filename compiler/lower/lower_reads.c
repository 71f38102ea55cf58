/* SPDX-License-Identifier: MIT */
/* Reads that a condition around them proves, `l > 0 ? sum[e](k[l - 1,e]) : 0`. The sum is a node of
 * its own and computed for every l, outside of the condition: it takes the bounds with it. */
#include "compiler/lower/lower.h"
#include "compiler/lower/value.h"

typedef struct Bounds {
  Lowering *l;
  Expr *inside; /* where every read is; NULL: everywhere */
} Bounds;

static void add_bounds(Expr *e, void *ctx) {
  Bounds *b = ctx;
  Graph *g = b->l->g;
  for (int k = 0; e->kind == E_READ && k < e->nargs; k++) {
    int64_t lo, hi, extent = e->node->shape[k];
    bool known = prove_interval(b->l, e->args[k], &lo, &hi);
    if (!known || lo < 0) b->inside = ex_and(g, b->inside, ex2(g, P_le, ex_int(g, 0), e->args[k]));
    if (!known || hi >= extent)
      b->inside = ex_and(g, b->inside, ex2(g, P_lt, e->args[k], ex_int(g, extent)));
  }
}

Expr *defined_everywhere(Lowering *l, Expr *e) {
  if (!e->reads) return e;
  Bounds b = {l, NULL};
  ex_visit_eager(l->g, e, add_bounds, &b);
  if (!b.inside) return e;
  Expr *none = e->type == TY_REAL  ? ex_num(l->g, 0)
               : e->type == TY_INT ? ex_int(l->g, 0)
                                   : ex_bool(l->g, false);
  return ex3(l->g, P_select, b.inside, e, none);
}

Expr *named_value(Graph *g, Expr *e) {
  enum { DEPTH = 8 };
  for (int depth = 0; depth < DEPTH && e->kind == E_READ; depth++) {
    const Node *n = e->node;
    if (!ir_is_map(n) || n->guard) break;
    e = ex_subst(g, n->body, e->args, n->rank);
  }
  return e;
}
