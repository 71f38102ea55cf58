/* SPDX-License-Identifier: MIT */
/* A contraction as matrices in memory (product.c). */
#ifndef TDC_PRODUCT_H
#define TDC_PRODUCT_H

#include "compiler/ir/band.h"
#include "compiler/ir/linear.h"
#include "compiler/plan/contract.h"
#include "compiler/plan/plan.h"

/* Where a read of a real that is always in bounds lies, as a sum of atoms of which
 * only variables vary; in the variables of n. */
bool product_place(Plan *p, const Node *n, const Node *read, Expr *const *index, Linear *lin);
/* The place's strides by the variables of one axis. */
void product_strides(const Contraction *c, const Linear *lin, GemmAxisKind kind, int64_t *stride);

/* `e` without what it is where conditions hold, which go to *where. */
Expr *product_inside(Graph *g, Expr *e, Expr **where);
/* Is operand A one read at moved places, each of which is multiplied more than once, and so that
 * the target takes it? Then so it is read, from `base`, what variables of m and k do not move. */
bool product_moves(Plan *p, const Node *n, const Contraction *c, GemmMoves *out, Expr **read,
                   Linear *base);
/* The same where k runs along the places, a step of one at a time, and taps are rows, as in the
 * gradient of a convolution's weights. GemmMove.outer is then a variable of k and .k one of m. */
bool product_turned(Plan *p, const Node *n, const Contraction *c, GemmMoves *out, Expr **read,
                    Linear *base);

/* Of the variables of the batch: B is the same for those that are so far apart, 1 if it is for
 * all, the extent if for none. False: for none is it any but these two. */
bool product_periods(Graph *g, const Node *n, const Contraction *c, int64_t *period);

/* In how many products of bf16 parts the target multiplies two of its factors: 6, 3, as the program
 * asks for or as it pays; 0: in none, but as floats or in bf16. */
int product_split(Plan *p, const Group *g);
/* The same of one in a chain, which multiplies that share of its columns. */
int product_split_chained(const Plan *p, const Contraction *c, double share);
/* Seconds that this saves, roughly, by the extents alone; 0 where it is in none. */
double product_saves(Plan *p, const Group *g);

/* Flat places along an axis that a condition leaves, for one of another axis and of the batch. */
typedef struct ProductBand {
  bool any;
  Band flat; /* in the node's variables; NULL: 0, and `extent` */
  int64_t extent;
  double share; /* of all, on the average */
} ProductBand;
typedef struct ProductBands {
  ProductBand k[2];    /* steps of k, for a row of A, a column of B */
  ProductBand columns; /* for a row: elsewhere the result is 0 whatever the sum */
  double share;        /* of the multiplications */
} ProductBands;
ProductBands product_bands(Plan *p, const Group *g); /* product_band.c */

/* Could it be a part of a chain (chain.c), by its extents? Of many batches, or where two of its
 * three axes are long, as in attention: [4096, 4096] x 64. apart.c */
bool product_may_chain(const Plan *p, const Contraction *c);
/* Do operands and sums lie as a library wants them? Nothing need be placed, or grouped, yet. */
bool product_is_plain(Plan *p, const Node *n, const Contraction *c);
/* What a library is asked for instead of a kernel of our own; NULL: it cannot, or the target
 * has none. Launch.args are complete. */
const TdProduct *plan_library_product(Plan *p, const Group *g);

#endif
