/* SPDX-License-Identifier: MIT */
/* A kernel of a computed product while it is written. Its text works with fixed names:
 * row0, column0, batch of the block; m, n, batch and total of an element of the result;
 * outer, k, batch of an operand's element. Grouped by defining file. */
#ifndef TDC_CUDA_PRODUCT_H
#define TDC_CUDA_PRODUCT_H

#include "compiler/cuda/cuda.h"

/* Levels of a text: of the block; of an element. */
enum { PRODUCT_BLOCK, PRODUCT_ELEMENT };

typedef struct ProductWriter {
  Emit em;
  Plan *p;
  Group *g;
  Node *n;
  const Contraction *c;
  CudaTile tile;
} ProductWriter;

/* -- product.c ------------------------------------------------------------------ */
const char *product_take(ProductWriter *w, StrBuf *b); /* into the arena; b is freed */
/* The variables of an axis from the position along it, those that were named. */
void product_variables(ProductWriter *w, StrBuf *out, GemmAxisKind kind, const char *at);
/* An operand's value at (batch, outer, k), whose variables are named and not declared yet;
 * the statements before it. */
const char *product_value(ProductWriter *w, GemmSide side, const char **statements);
/* Statements that declare total, the sum at (batch, m, n), which `sum` is; where terms may be left
 * out, added up anew if that is NaN. Elements' texts that are being written end with it. */
const char *product_total(ProductWriter *w, const char *sum);
/* Sums in parts: part[i][j] (elements > 0: part[i][j][e]) goes over to sum, and is 0 again. */
void product_add_parts(StrBuf *out, int rows, int columns, int elements);

/* -- product_results.c ---------------------------------------------------------- */
/* What is done with an element: its variables, the members of the group in order. */
const char *product_results(ProductWriter *w);
/* The same with four neighbours of a row, from n0 on and with their sums in totals: what they
 * read and store side by side goes at once. NULL: nothing is stored so. */
const char *product_results_of_four(ProductWriter *w);

/* -- product_chunk.c: what lies at multiples of 16 bytes; operands of tensor cores --- */
/* Do runs of so many neighbours along an axis lie side by side in memory, from multiples of
 * `unit` elements on? A read in the variables of the product's node; always in bounds. */
bool product_aligned(Plan *p, const Group *g, const Node *read, Expr *const *index,
                     GemmAxisKind along, int run, int unit);

enum { PRODUCT_CHUNK = 8 }; /* numbers of bf16 in 16 bytes */

typedef struct ProductSide {
  GemmSide side;
  GemmAxisKind outer;
  const char *name, *from; /* of its tiles; where the block begins */
  int width;               /* of a tile along `outer` */
  bool terms;              /* rows of terms; else turned */
  int size, chunks;        /* of a tile, and of it a thread's, in chunks */
  ProductLie lie;
} ProductSide;
ProductSide product_side(ProductWriter *w, GemmSide side);
/* Where the chunk `place` of a row stands in its tile: of eight rows in different banks. */
const char *product_chunk_at(const ProductSide *s, const char *row, const char *place, Arena *a);
/* Statements in each thread: asynchronous copies of a tile, `ahead` its step and k0 its first
 * term; or NAME_next from memory, k0 the first term, and from there the tile of step + 1. */
void product_copy(ProductWriter *w, const ProductSide *s, StrBuf *out);
void product_fetch(ProductWriter *w, const ProductSide *s, StrBuf *out);
void product_keep(ProductWriter *w, const ProductSide *s, StrBuf *out);

/* -- product_fma.c, product_mma.c: from the block's place to its end ------------------ */
const char *product_fma(ProductWriter *w);
const char *product_mma(ProductWriter *w);

#endif
