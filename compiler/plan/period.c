/* SPDX-License-Identifier: MIT */
/* Products of a batch whose operand B comes again: the gradient of what is read in strides.
 *
 *     dx[b, l, c] = sum over o (d[b, l / 2, o] * w[l mod 2, c, o])
 *     batch l     B is the same for all even l, and for all odd ones
 *
 * needs       nothing: it only reads the contraction */
#include "compiler/plan/product.h"

typedef struct Finder {
  Graph *g;
  int var;
  int64_t period; /* 0: none yet, -1: there is none */
} Finder;

/* e mod s, where e is the variable and a number. */
static int64_t period_of(const Finder *f, const Expr *e) {
  Affine a;
  if (!ex_is_prim(e, P_mod) || e->args[1]->kind != E_INT || e->args[0]->vars != 1u << f->var)
    return -1;
  if (!ex_affine(f->g, e->args[0], &a) || a.rest->kind != E_INT) return -1;
  const int64_t s = e->args[1]->inum;
  return a.coef[f->var] == 1 && a.rest->inum >= 0 && s > 0 ? s : -1;
}

static void find(Finder *f, const Expr *e) {
  if (!(e->vars >> f->var & 1) || f->period < 0) return;
  const int64_t s = period_of(f, e);
  if (s > 0) {
    f->period = f->period && f->period != s ? -1 : s;
    return;
  }
  if (e->kind == E_VAR) f->period = -1;
  for (int i = 0; i < e->nargs; i++) find(f, e->args[i]);
}

bool product_periods(Graph *g, const Node *n, const Contraction *c, int64_t *period) {
  bool any = false;
  for (int v = 0; v < c->nvars[GEMM_BATCH]; v++) {
    Finder f = {.g = g, .var = c->var[GEMM_BATCH][v]};
    const int64_t extent = n->extent[f.var];
    find(&f, c->operand[GEMM_B]);
    if (c->where[GEMM_B]) find(&f, c->where[GEMM_B]);
    period[v] = f.period == 0                                       ? 1
                : f.period < 0 || extent % f.period || f.period < 2 ? extent
                                                                    : f.period;
    any = any || (f.period > 1 && period[v] < extent);
  }
  return any;
}
