/* SPDX-License-Identifier: MIT */
/* What is asked of the parts of a chain while it is being made. */
#include "compiler/plan/chain.h"

ChainPart *chain_part(ChainParts *f, const Node *n) {
  const Group *g = plan_info(f->p, n)->group;
  for (int i = 0; i < f->at.n && g; i++)
    if (f->at.at[i].g == g) return &f->at.at[i];
  return NULL;
}

int chain_var(const ChainPart *t, const Member *m, int k) {
  int row = t->row[k];
  if (row < 0 || !t->product) return row < 0 ? -1 : m->rowvar[row];
  const Member *first = &t->g->members.at[0];
  if (m == first) return row;
  for (int j = 0; j < t->g->nrows; j++)
    if (first->rowvar[j] == row) return m->rowvar[j];
  return -1;
}
