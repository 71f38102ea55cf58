/* SPDX-License-Identifier: MIT */
/* Matrix products of cuBLASLt on one stream. */
#ifndef TDC_CUDA_PRODUCT_H
#define TDC_CUDA_PRODUCT_H

#include "compiler/program/program.h"
#include "runtime/cuda/library.h"

/* ---- how the library is to see a product -------------------------------------------- */

/* A matrix in the library's order, column by column, `rows` numbers in each and `leading`
 * from one to the next. */
typedef struct ProductMatrix {
  const TdOperand *operand;
  bool transposed; /* the product takes it so */
  int64_t rows, columns, leading;
} ProductMatrix;

/* d = alpha * x y. A result that lies row by row is the transposed one column by column, so x
 * and y are b and a then. */
typedef struct ProductShape {
  ProductMatrix x, y, d;
} ProductShape;

/* False with TD_NO_TOOL when the library has no such product: neither rows nor columns of a
 * matrix are dense, or the types do not go together. */
bool product_shape(const TdKernel *k, ProductShape *out, TdError *err);

/* ---- the library's -------------------------------------------------------------------- */

typedef struct Products Products;

/* Opens the library; its working memory, TD_PRODUCT_MEMORY, is allocated once. The driver,
 * with its context current in every call, must outlive it. */
Products *products_new(const TdProgram *p, const CudaDriver *driver, CudaStream stream,
                       TdError *err);
/* Make ready the product of a kernel whose buffers lie at these addresses. The library's
 * algorithm is chosen now, once for a kernel and what its addresses are multiples of: the
 * same one gives the same bits. The plan's number; below 0 after a failure. */
int products_plan(Products *s, int kernel, const CudaAddress *args, TdError *err);
/* Start it. ix: the loops' counters by slot. */
BlasStatus products_run(const Products *s, int plan, const CudaAddress *args, const int64_t *ix);
size_t products_version(const Products *s);
void products_free(Products *s);

#endif
