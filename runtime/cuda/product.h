/* SPDX-License-Identifier: MIT */
/* Matrix products of cuBLASLt on one stream. */
#ifndef TDC_CUDA_PRODUCT_H
#define TDC_CUDA_PRODUCT_H

#include "compiler/program/program.h"
#include "runtime/cuda/gpu.h"
#include "runtime/cuda/probe.h"
#include "runtime/cuda/stage.h"

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

/* What products are started, chosen and looked at with. It must outlive them, the GPU's context
 * current in every call. */
typedef struct ProductTools {
  const Gpu *gpu;
  const CubinCompiler *compiler; /* its cache keeps which algorithms were chosen */
  Probe *probe;
  Stage *stage;
} ProductTools;

/* Opens the library; its working memory, TD_PRODUCT_MEMORY, is allocated once. */
Products *products_new(const TdProgram *p, const ProductTools *tools, TdError *err);
/* Make ready the product of a kernel whose buffers lie at these addresses. The library's
 * algorithm is chosen now, once for a shape and what its addresses are multiples of, and found in
 * the cache from then on: the same one gives the same bits. See choose.c. The plan's number; below
 * 0 after a failure. */
int products_plan(Products *s, int kernel, const CudaAddress *args, TdError *err);
/* Start it. ix: the loops' counters by slot. */
BlasStatus products_run(const Products *s, int plan, const CudaAddress *args, const int64_t *ix);
size_t products_version(const Products *s);
void products_free(Products *s);

#endif
