/* SPDX-License-Identifier: MIT */
/* Products of products, like attention and its gradients: large enough for the
 * matrix template, which other random nodes hardly ever are. */
#ifndef TDC_TESTS_RANDCHAIN_H
#define TDC_TESTS_RANDCHAIN_H

#include "compiler/ir/ir.h"

typedef struct RandChain {
  Graph *g;
  Region *region;
  uint64_t *rng;
  void *ctx;
  /* A real value of that shape, at most 1 in magnitude. */
  Node *(*source)(void *ctx, int rank, const int64_t *shape);
  /* A node was made, of at most that magnitude. */
  void (*made)(void *ctx, Node *n, double bound);
} RandChain;

void randchain(RandChain *r);

#endif
