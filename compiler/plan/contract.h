/* SPDX-License-Identifier: MIT */
/* A recognised sum of products: contract.c finds it, contraction.c hands it
 * to the template of gemm_emit.c. */
#ifndef TDC_CONTRACT_H
#define TDC_CONTRACT_H

#include "compiler/cpu/gemm.h"
#include "compiler/plan/plan.h"

/* condition ? factor * sum over k (where[0] ? operand[0] : 0) * (where[1] ? operand[1] : 0) : 0
 * in the node's own variables; NULL stands for true and for 1. */
typedef struct Contraction {
  int nvars[GEMM_AXES];
  int var[GEMM_AXES][IR_MAX_VARS]; /* the node's variables of each axis */
  int64_t extent[GEMM_AXES];
  Expr *operand[2], *where[2];
  Expr *factor, *condition;
} Contraction;

/* In the graph's arena; NULL: n is none. */
Contraction *contract_find(Graph *g, const Node *n);

/* -- contraction.c */
/* Sets *note to a line on the blocks. */
void emit_contraction(Plan *p, Group *g, TdKernel *k, const char **note);
/* May operand B be packed before g's loop? Then a buffer for it is made. */
bool contraction_packs(Plan *p, Group *g);
/* Or before the first of many runs? */
bool contraction_keeps(Plan *p, Group *g);
/* The kernel that does it; g is a group of its own with the product's contraction. */
void emit_packing(Plan *p, Group *g, TdKernel *k, const char **note);

#endif
