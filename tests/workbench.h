/* SPDX-License-Identifier: MIT */
/* A graph that a test of cmocka builds node by node. */
#ifndef TDC_TESTS_WORKBENCH_H
#define TDC_TESTS_WORKBENCH_H

#include "compiler/ir/ir.h"

/* A shape with its rank, and one without. */
#define SHAPE(...) \
  (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (const int64_t[]) { __VA_ARGS__ }
#define EXTENTS(...) \
  (const int64_t[]) { __VA_ARGS__ }

typedef struct Bench {
  Arena *arena;
  Graph *g;        /* empty */
  Expr *i, *j, *k; /* its variables 0, 1 and 2 */
} Bench;

/* Set-up and tear-down, *state the Bench. */
int bench_make(void **state);
int bench_remove(void **state);

Node *real_input(Graph *g, const char *name, int rank, const int64_t *shape); /* real */
void output(Graph *g, const char *name, Node *n);

#endif
