/* SPDX-License-Identifier: MIT */
/* A kernel of a scatter while it is written. */
#ifndef TDC_CUDA_SCATTER_H
#define TDC_CUDA_SCATTER_H

#include "compiler/cuda/cuda.h"

typedef struct Scatter {
  Emit em;
  Node *n;
  CudaScatter cut;
  const char *at[IR_MAX_RANK]; /* gathering: the thread's place in the output */
} Scatter;

/* Is the variable the index of a bare axis, that is of a column? */
static inline bool scatter_owned(const Scatter *s, int v) {
  for (int d = 0; d < s->n->rank; d++)
    if (s->cut.var[d] == v) return true;
  return false;
}

/* -- scatter_list.c -------------------------------------------------------------- */
void scatter_print_lists(Scatter *s, StrBuf *out);

#endif
