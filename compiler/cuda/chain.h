/* SPDX-License-Identifier: MIT */
/* A chain of products as one CUDA kernel (plan/chain.h says what a chain is): what it keeps in
 * shared memory, and its text while it is written. Grouped by defining file. */
#ifndef TDC_CUDA_CHAIN_H
#define TDC_CUDA_CHAIN_H

#include "compiler/cuda/cuda.h"
#include "compiler/plan/chain.h"

enum {
  CHAIN_SQUARE = 64, /* e of a COLUMN product's tile, whose s are a quarter of the threads */
  CHAIN_DEPTH = 16,  /* terms that are staged at once */
  CHAIN_ROOM = 256,  /* bytes for reductions of a block */
  CHAIN_LEVEL = 2    /* of a row program's text; 1: of the piece's */
};

/* Memory for a value's rows, and for other values where this one is not needed any more. */
typedef struct ChainSlot {
  int64_t width; /* elements from row to row */
  size_t size;   /* bytes of one */
  size_t at;     /* bytes from the beginning of shared memory */
} ChainSlot;

typedef struct CudaChain {
  ChainBlocks blocks; /* and the arrays of the row program that lie in slots */
  VEC(int) slot;      /* of each block; -1: it is one of a batch */
  VEC(ChainSlot) slots;
  bool narrow;              /* factors are rounded to bf16, products are tensor cores' */
  int threads;              /* of a block; COLUMN products share their sums among more */
  int tile;                 /* rows of a product's tile */
  int64_t rows, row_blocks; /* of a block, in a batch */
  int64_t pieces;
  size_t staged;         /* where operands are staged, bytes */
  size_t arrays, near;   /* where a warp's own arrays begin, and bytes of each warp's */
  size_t sums[32];       /* by product: where the results of COLUMN ones are left */
  size_t last, last_own; /* where arrays of the program LAST begin, and bytes of them */
  size_t shared;
} CudaChain;

/* -- chain_slots.c ----------------------------------------------------------------- */
/* Blocks and arrays of the row programs, those of which one is needed after the other in one
 * slot. */
void cuda_chain_slots(Plan *p, Group *g, CudaChain *out);

/* -- chain_shape.c ----------------------------------------------------------------- */
/* In the plan's arena. */
CudaChain *cuda_chain(Plan *p, Group *g);

/* -- the writer -------------------------------------------------------------------- */
typedef struct ChainWriter {
  Emit em;
  Plan *p;
  Group *g;
  Chain *c;
  const CudaChain *shape;
  CudaRows warp, block; /* how programs of rows and of a batch are cut */
  StrBuf pointers;      /* declarations of the piece */
  StrBuf body;
} ChainWriter;

/* An operand's element: statements, then an expression, in `outer` and `k`. */
typedef struct ChainElement {
  const char *before, *value;
  bool along_terms; /* neighbours in k lie side by side in memory */
} ChainElement;

/* -- chain_operands.c -------------------------------------------------------------- */
void TD_PRINTF(2, 3) chain_line(StrBuf *out, const char *fmt, ...);
const char *chain_take(ChainWriter *w, StrBuf *b); /* into the arena; b is freed */
/* The name of a block's memory. */
const char *chain_block_name(const ChainWriter *w, const Node *n);
const ChainBlock *chain_block_of(const ChainWriter *w, const Node *n);
/* Of an operand that is a plain read: the place of its element, as an lvalue. */
const char *chain_address(ChainWriter *w, const ChainProduct *q, int which);
/* Operand 0 or 1 of the product; rows count from the block's first one. */
ChainElement chain_element(ChainWriter *w, const ChainProduct *q, int which);

/* -- chain_fma.c: products in f32 ---------------------------------------------------- */
size_t chain_fma_staged(int threads, int tile); /* bytes */
void chain_fma_row(ChainWriter *w, const ChainProduct *q);
/* Variables of a COLUMN product's sums; a block's part of them; and where they are left. */
void chain_fma_open(ChainWriter *w, int product);
void chain_fma_column(ChainWriter *w, int product);
void chain_fma_close(ChainWriter *w, int product);

/* -- chain_mma.c: products in bf16, as above ------------------------------------------ */
size_t chain_mma_staged(int threads, int tile);
void chain_mma_row(ChainWriter *w, const ChainProduct *q);
void chain_mma_open(ChainWriter *w, int product);
void chain_mma_column(ChainWriter *w, int product);
void chain_mma_close(ChainWriter *w, int product);

#endif
