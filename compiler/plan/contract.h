/* SPDX-License-Identifier: MIT */
/* A recognised sum of products over groups of variables:
 *
 *     sum[b, m, n] = sum over k of A[b, m, k] * B[b, n, k]                    */
#ifndef TDC_CONTRACT_H
#define TDC_CONTRACT_H

#include "compiler/plan/target.h"

typedef enum { GEMM_BATCH, GEMM_M, GEMM_N, GEMM_K, GEMM_AXES } GemmAxisKind;
typedef enum { GEMM_A, GEMM_B } GemmSide;

/* condition ? factor * sum over k (where[0] ? operand[0] : 0) * (where[1] ? operand[1] : 0) : 0
 * in the node's own variables; NULL stands for true and for 1. */
typedef struct Contraction {
  int nvars[GEMM_AXES];
  int var[GEMM_AXES][IR_MAX_VARS]; /* the node's variables of each axis */
  int64_t extent[GEMM_AXES];
  Expr *operand[2], *where[2];
  Expr *factor, *condition;
  bool may_be_empty; /* all terms may be left out, and the factor is no number: 0 then */
  int64_t turns;     /* of a loop that B is packed before, once for all of them; 0: it is not */
} Contraction;

/* May terms be left out of its sums one by one? Kernels multiply 0 by the other factor there, which
 * is no 0 where that one is infinite or NaN: a sum that is NaN is added up anew, of the terms that
 * are in it. A finite sum has met none of these. */
bool contract_leaves_out(const Contraction *c);
/* One direction of what operand A is read from at moved places, as convolutions have it:
 *
 *     place = step * (a variable of m) + apart * (one of k) + first
 *
 * It is 0 outside from .. to - 1. */
typedef struct GemmMove {
  int outer, k;          /* variables of the axes m and k, or k and m; k: -1 for none */
  int64_t step, apart;   /* step > 0 */
  int64_t first;         /* the place of 0 and 0 */
  int64_t from, to;      /* those of the numbers, among the places */
  int64_t stride;        /* numbers from one place to the next */
  int64_t lowest, count; /* places begin at first + lowest, lowest <= 0; how many there are */
} GemmMove;

/* Each place has the last variable of k, or of m, side by side. */
typedef struct GemmMoves {
  int n; /* outermost first; 0: it is not read so */
  GemmMove at[IR_MAX_VARS];
  int64_t channels;
} GemmMoves;

/* The axis of a side besides batch and k: m of A, n of B. */
GemmAxisKind gemm_outer(GemmSide side);
bool contract_matches(Graph *g, const TargetProducts *t, const Node *n);
/* Is it a product of few rows (TargetProducts.few_rows) with weights, a state or a copy of one, of
 * which columns lie side by side, in runs of a multiple of few_columns at least, and steps of k one
 * stride apart? It takes as long as these take from memory. */
bool contract_few(Graph *g, const TargetProducts *t, const Node *n, const Contraction *c);
/* In the graph's arena; NULL: n is none, or none that this target takes. */
Contraction *contract_find(Graph *g, const TargetProducts *t, const Node *n);

#endif
