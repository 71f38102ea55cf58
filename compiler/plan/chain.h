/* SPDX-License-Identifier: MIT */
/* A chain of products in one kernel: chain.c finds it, chain_worth.c weighs it,
 * chain_build.c prepares its parts, a target writes it. */
#ifndef TDC_CHAIN_H
#define TDC_CHAIN_H

#include "compiler/ir/band.h"
#include "compiler/plan/contract.h"
#include "compiler/plan/rows.h"

/* What a product is in its chain. With rows r of a block, columns s of the wide
 * values between products, own indices e:
 *   IN      wide[r, s] = sum over k of X[r, k] * Y[s, k]
 *   ROW     out[r, e]  = sum over s of X[r, s] * Y[e, s]
 *   COLUMN  out[s, e]  = sum over r of X[r, s] * Y[e, r]
 * X of ROW and COLUMN is a wide value; Y belongs to the batch alone, but that of
 * COLUMN, which has rows. */
typedef enum { CHAIN_IN, CHAIN_ROW, CHAIN_COLUMN } ChainRole;

/* Programs: members that share a loop over rows. Member.program is one of them. */
enum {
  CHAIN_MAIN,   /* a row of the block, between the products */
  CHAIN_FRESH,  /* once a batch: operands Y that are no plain reads */
  CHAIN_BEFORE, /* a row, before the products: operands that are no plain reads */
  CHAIN_AFTER,  /* a row, what follows ROW products */
  CHAIN_LAST,   /* once a batch, what follows COLUMN products */
  CHAIN_PROGRAMS,
  CHAIN_PRODUCT = CHAIN_PROGRAMS /* sums: computed by tiles */
};

/* Where an operand's elements are, as a matrix of `outer` by k: plain reads of
 * memory at base + batch + outer * outer_stride + k * k_stride, or a value of
 * this kernel that lies in scratch memory. */
typedef struct ChainOperand {
  Node *node; /* read, or computed here */
  bool plain;
  Expr *base; /* plain: the flat position with all variables 0 */
  int64_t
      batch_stride[IR_MAX_VARS]; /* plain: by row variable of the chain, for those of the batch */
  int64_t outer_stride, k_stride;
} ChainOperand;

typedef struct ChainProduct {
  ChainRole role;
  Node *sum;               /* the bare sum: a value of this kernel */
  Node *result;            /* the node it was found in */
  Contraction *c;          /* in variables of the node it was found in */
  GemmSide x;              /* the side that has the rows of IN, the wide value of the others */
  ChainOperand operand[2]; /* X, Y */
  int64_t s, k, e; /* extents: columns of the wide value, IN's own k, the others' own indices */
  bool turned;     /* COLUMN: [e, s] in memory and here */
  int nk, kvar[IR_MAX_VARS]; /* variables of the node: IN's k */
  int ns, svar[IR_MAX_VARS]; /* of s, in the order in which the wide value has them */
  int ne, evar[IR_MAX_VARS];
  int row[IR_MAX_VARS]; /* variable that is the chain's row variable, -1: none */
} ChainProduct;

/* The columns of the wide values that matter for a row: chain_band.c. */
typedef struct ChainBand {
  Band columns; /* by the chain's row variables and what is stored, within 0 .. extent */
  int64_t extent;
  double share;    /* of all columns, on the average */
  Expr *zero;      /* where it is not 0, by the row's values, all of them matter; or NULL */
  uint32_t finite; /* and where an operand of these products (bit i: product i) is not finite */
} ChainBand;

typedef struct Chain {
  int nbatch, nrows;          /* row variables: the batch first, then those of a block's rows */
  int64_t batch, rows;        /* extents of both */
  bool columns;               /* has COLUMN products: a piece is a batch, not a block of it */
  VEC(ChainProduct) products; /* IN ones first */
  RowPlan *program[CHAIN_PROGRAMS];
  ChainBand *band; /* or NULL: all columns */
} Chain;

/* -- chain.c: a group's part of a chain that is being made */
typedef struct ChainPart {
  Group *g;
  bool product;
  ChainRole role; /* of products */
  GemmSide x;
  int row[IR_MAX_VARS]; /* by row of the chain: the first member's variable (products) or
                                            the group's row (rows); -1: unknown */
} ChainPart;

/* A product whose epilogue became a group of its own. */
typedef struct ChainSplit {
  Group *product, *rest;
} ChainSplit;

typedef struct ChainParts {
  Plan *p;
  VEC(ChainPart) at;
  VEC(ChainSplit) splits;
  int nrows;
  int64_t row_extent[IR_MAX_VARS];
  bool batch[IR_MAX_VARS]; /* by row: of the batch? */
} ChainParts;

/* -- chain_parts.c */
/* The part that computes n, or NULL. */
ChainPart *chain_part(ChainParts *f, const Node *n);
/* The variable of member m that is row k of the chain; -1: none. */
int chain_var(const ChainPart *t, const Member *m, int k);

/* -- chain_blocks.c */
typedef struct ChainBlock { /* a value of the kernel that outlives a program */
  Node *node;
  bool rows;                   /* a block of rows; else one of a batch */
  int64_t width;               /* rows: elements from one to the next */
  int64_t count;               /* batch: of all */
  int64_t stride[IR_MAX_RANK]; /* by axis of the node; of a row, or of all */
} ChainBlock;
typedef VEC(ChainBlock) ChainBlocks;
/* From row to row of so many columns. */
typedef int64_t ChainPadded(const Target *t, int64_t columns);
/* All of a chain; those of a batch have a multiple of `strip` rows. */
void chain_blocks(Plan *p, Group *g, ChainPadded *padded, int64_t strip, ChainBlocks *out);
const ChainBlock *chain_block(const ChainBlocks *blocks, const Node *n); /* or NULL */

/* -- chain_band.c */
/* Chain.band, once the programs are there. */
void chain_find_band(Plan *p, Group *g);

/* -- chain_worth.c */
/* Are so many batches of so many wide elements each enough for one? */
bool chain_enough(const TargetChains *t, double batches, double wide);
/* Could a chain have a product of so many batches, for its gradients? */
bool chain_batches(const TargetChains *t, const Contraction *c);
bool chain_worth_it(ChainParts *f);
/* Do the values of enough rows fit in memory of a fixed size? */
bool chain_has_room(ChainParts *f);

/* -- chain_build.c */
/* One group out of the parts; false, and nothing changed, if they cannot be one. */
bool chain_build(ChainParts *f);
/* The row programs of all chains; once it is known what is stored. */
void plan_chain_programs(Plan *p);

#endif
