/* SPDX-License-Identifier: MIT */
/* Graphs of one application of a primitive, for tests that take all of them. */
#ifndef TDC_TESTS_PRIM_CASE_H
#define TDC_TESTS_PRIM_CASE_H

#include "compiler/ir/ir.h"

enum { PRIM_CASE_COUNT = 24, PRIM_CASE_SITE = 7, PRIM_CASE_BELOW = 1000, PRIM_ARGUMENTS = 3 };

/* z[i] = p(a[i], b[i], c[i]), i below PRIM_CASE_COUNT; a draw takes its site, i and BELOW. */
typedef struct PrimCase {
  Prim p;
  const PrimInfo *info;
  Type type[PRIM_ARGUMENTS];
  Arena *arena;
  Graph *g;
  Node *input[PRIM_ARGUMENTS], *z; /* inputs a, b, c; NULL: the draw has none */
} PrimCase;

/* Types that the arguments can have: choice 0, 1, ...; false past the last. */
bool prim_case_types(PrimSig sig, int choice, Type *t);
PrimCase prim_case(Arena *a, Prim p, const Type *t);

#endif
