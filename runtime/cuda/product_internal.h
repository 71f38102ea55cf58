/* SPDX-License-Identifier: MIT */
/* What product.c, product_shape.c and choose.c share. */
#ifndef TDC_CUDA_PRODUCT_INTERNAL_H
#define TDC_CUDA_PRODUCT_INTERNAL_H

#include "runtime/cuda/product.h"
#include "runtime/system/cache.h"

/* Of one kernel, for addresses that are multiples of these. */
typedef struct Plan {
  int kernel;
  uint32_t x_align, y_align, d_align;
  ProductShape shape;
  float alpha;
  BlasProduct product;
  BlasLayout x, y, d;
  char key[DIGEST_HEX]; /* products of one key have one algorithm */
  BlasAlgorithm algorithm;
} Plan;

struct Products {
  const TdProgram *program;
  ProductTools tools;
  BlasLt blas;
  BlasHandle handle;
  CudaAddress workspace;
  Plan *plans;
  int nplans;
};

/* -- product_shape.c ---------------------------------------------------------------------- */
/* d = alpha x y of a plan, at these addresses. */
BlasStatus product_start(const Products *s, const Plan *p, const BlasAlgorithm *algorithm,
                         float alpha, const CudaAddress at[3]);
/* Always false. */
bool product_failed(const Products *s, const Plan *p, BlasStatus r, const char *what, TdError *err);

/* -- choose.c ------------------------------------------------------------------------------- */
/* Fills the plan's algorithm and key. */
bool product_choose(const Products *s, Plan *p, TdError *err);

#endif
