/* SPDX-License-Identifier: MIT */
/* What writers of scatters ask, whatever the target: who owns an axis, which values land. */
#include "compiler/emit/emit.h"

int scatter_bare(const Node *n, int d) {
  const Expr *e = n->index[d];
  if (e->kind != E_VAR || n->extent[e->inum] > n->shape[d]) return -1;
  for (int k = 0; k < n->rank; k++)
    if (k != d && n->index[k]->vars >> e->inum & 1) return -1;
  return (int)e->inum;
}

const char *emit_condition(Emit *em, const Node *n, int level) {
  Expr *all = n->guard ? n->guard : ex_bool(em->g, true);
  for (int d = 0; d < n->rank; d++) {
    int64_t lo, hi;
    bool bounded = ex_interval(em->g, n->index[d], n->extent, n->nvars, &lo, &hi);
    if (bounded && lo >= 0 && hi < n->shape[d]) continue;
    all = ex2(em->g, P_and, all, ex2(em->g, P_le, ex_int(em->g, 0), n->index[d]));
    all = ex2(em->g, P_and, all, ex2(em->g, P_lt, n->index[d], ex_int(em->g, n->shape[d])));
  }
  return all->kind == E_BOOL && all->inum ? NULL : emit_value(em, all, level);
}
