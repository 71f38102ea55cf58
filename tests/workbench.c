/* SPDX-License-Identifier: MIT */
/* See workbench.h. */
#include "tests/workbench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

int bench_make(void **state) {
  Bench *b = test_malloc(sizeof *b);
  b->arena = arena_new();
  b->g = graph_new(b->arena, interner_new(b->arena), "test");
  b->i = ex_var(b->g, 0);
  b->j = ex_var(b->g, 1);
  b->k = ex_var(b->g, 2);
  *state = b;
  return 0;
}

int bench_remove(void **state) {
  Bench *b = *state;
  arena_free(b->arena);
  test_free(b);
  return 0;
}

Node *real_input(Graph *g, const char *name, int rank, const int64_t *shape) {
  static const Span nowhere;
  return ir_input(g, name, TY_REAL, rank, shape, 0, 0, nowhere);
}

void output(Graph *g, const char *name, Node *n) {
  Output o = {name, n};
  vec_push(g->arena, &g->outputs, o);
}
