/* SPDX-License-Identifier: MIT */
/* A product as the library takes it. See product.h. */
#include "runtime/cuda/product_internal.h"

/* ---- shapes ------------------------------------------------------------------------- */

/* A matrix of r rows and k columns with the operand's strides. A stride along an axis of one
 * number means nothing. */
static bool matrix_of(const TdOperand *o, int64_t r, int64_t k, ProductMatrix *out) {
  if (r == 1 && k == 1)
    *out = (ProductMatrix){o, false, 1, 1, 1};
  else if (o->column == 1 && (r == 1 || o->row >= k))
    *out = (ProductMatrix){o, true, k, r, r == 1 ? k : o->row};
  else if (o->row == 1 && (k == 1 || o->column >= r))
    *out = (ProductMatrix){o, false, r, k, k == 1 ? r : o->column};
  else if (r == 1 && o->column >= 1)
    *out = (ProductMatrix){o, false, 1, k, o->column};
  else if (k == 1 && o->row >= 1)
    *out = (ProductMatrix){o, true, 1, r, o->row};
  else
    return false;
  return true;
}

static bool bad(const TdKernel *k, TdError *err, const char *why) {
  return td_fail(err, TD_NO_TOOL, "%s (%s) is no product of cuBLASLt: %s", k->name,
                 k->where != NULL ? k->where : "?", why);
}

bool product_shape(const TdKernel *k, ProductShape *out, TdError *err) {
  const TdProduct *p = k->product;
  bool narrow = p->a.type == TD_BF16;
  if (p->m < 1 || p->n < 1 || p->k < 1 || p->batch < 1) return bad(k, err, "it is empty");
  if (p->batch > INT32_MAX) return bad(k, err, "its batch is too large");
  if (p->a.type != p->b.type) return bad(k, err, "its operands are of two types");
  if (p->a.type != TD_F32 && !narrow) return bad(k, err, "its operands are neither f32 nor bf16");
  if (p->c.type != TD_F32 && !(narrow && p->c.type == TD_BF16))
    return bad(k, err, "its result is of another type than its operands, or than f32");
  ProductMatrix a, b, c;
  if (!matrix_of(&p->a, p->m, p->k, &a) || !matrix_of(&p->b, p->n, p->k, &b) ||
      !matrix_of(&p->c, p->m, p->n, &c))
    return bad(k, err, "neither the rows nor the columns of a matrix are dense");
  if (p->batch > 1 && p->c.batch == 0) return bad(k, err, "its results lie upon each other");
  /* c = a b^T; or c^T = b a^T, where c^T is what lies column by column */
  b.transposed = !b.transposed;
  *out = (ProductShape){a, b, c};
  if (!c.transposed) return true;
  a.transposed = !a.transposed;
  b.transposed = !b.transposed;
  c.transposed = false;
  *out = (ProductShape){b, a, c};
  return true;
}

/* ---- one of them ------------------------------------------------------------------------ */

bool product_failed(const Products *s, const Plan *p, BlasStatus r, const char *what,
                    TdError *err) {
  const TdKernel *k = &s->program->kernels[p->kernel];
  if (r == BLAS_NO_MEMORY)
    return td_fail(err, TD_IO_FAILED, "cuBLASLt has no memory left for %s (%s)", k->name,
                   k->where != NULL ? k->where : "?");
  return td_fail(err, TD_NO_TOOL, "%s (%s): cuBLASLt %zu %s (status %d)", k->name,
                 k->where != NULL ? k->where : "?", s->blas.version, what, r);
}

BlasStatus product_start(const Products *s, const Plan *p, const BlasAlgorithm *algorithm,
                         float alpha, const CudaAddress at[3]) {
  const float beta = 0;
  void *x = (void *)(uintptr_t)at[0], *y = (void *)(uintptr_t)at[1], *d = (void *)(uintptr_t)at[2];
  return s->blas.cublasLtMatmul(s->handle, p->product, &alpha, x, p->x, y, p->y, &beta, d, p->d, d,
                                p->d, algorithm, (void *)(uintptr_t)s->workspace, TD_PRODUCT_MEMORY,
                                s->tools.gpu->stream);
}
