/* SPDX-License-Identifier: MIT */
/* Products by cuBLASLt. See product.h.
 *
 * The library has many algorithms; which one decides the order of the sums and so the last
 * bits. None is taken that splits the inner sum and puts it together in whatever order blocks
 * end, and f32 is not rounded to TF32: two runs give the same numbers. choose.c takes one. */
#include <stdlib.h>

#include "runtime/cuda/product_internal.h"

enum { ALIGNMENT_MOST = 256 };

/* ---- plans ---------------------------------------------------------------------------- */

/* Where it begins while all counters are 0. */
static CudaAddress address_of(const TdOperand *o, const CudaAddress *args) {
  return args[o->arg] + (CudaAddress)o->offset * td_type_size(o->type);
}

/* The largest power of two, 256 at most, that every address it will have is a multiple of. */
static uint32_t alignment_of(const TdOperand *o, const CudaAddress *args, int64_t batch) {
  uint64_t size = td_type_size(o->type), all = address_of(o, args) | ALIGNMENT_MOST;
  for (int i = 0; i < TD_MAX_LOOPS; i++) all |= (uint64_t)o->by_slot[i] * size;
  if (batch > 1) all |= (uint64_t)o->batch * size;
  return (uint32_t)(all & -all);
}

static BlasType type_of(const TdOperand *o) { return o->type == TD_BF16 ? BLAS_BF16 : BLAS_F32; }

static BlasStatus make_layout(const BlasLt *b, const ProductMatrix *m, int64_t batch,
                              BlasLayout *out) {
  BlasStatus r = b->cublasLtMatrixLayoutCreate(out, type_of(m->operand), (uint64_t)m->rows,
                                               (uint64_t)m->columns, m->leading);
  if (r != BLAS_OK || batch == 1) return r;
  int32_t count = (int32_t)batch;
  r = b->cublasLtMatrixLayoutSetAttribute(*out, BLAS_BATCH, &count, sizeof count);
  if (r != BLAS_OK) return r;
  return b->cublasLtMatrixLayoutSetAttribute(*out, BLAS_BATCH_STRIDE, &m->operand->batch,
                                             sizeof m->operand->batch);
}

static BlasStatus describe(const BlasLt *b, int64_t batch, Plan *p) {
  int32_t transposed = BLAS_TRANSPOSED;
  BlasStatus r = b->cublasLtMatmulDescCreate(&p->product, BLAS_COMPUTE_F32, BLAS_F32);
  if (r == BLAS_OK && p->shape.x.transposed)
    r = b->cublasLtMatmulDescSetAttribute(p->product, BLAS_TRANSPOSE_A, &transposed,
                                          sizeof transposed);
  if (r == BLAS_OK && p->shape.y.transposed)
    r = b->cublasLtMatmulDescSetAttribute(p->product, BLAS_TRANSPOSE_B, &transposed,
                                          sizeof transposed);
  if (r == BLAS_OK) r = make_layout(b, &p->shape.x, batch, &p->x);
  if (r == BLAS_OK) r = make_layout(b, &p->shape.y, batch, &p->y);
  if (r == BLAS_OK) r = make_layout(b, &p->shape.d, batch, &p->d);
  return r;
}

static void plan_free(const BlasLt *b, const Plan *p) {
  if (p->product != NULL) b->cublasLtMatmulDescDestroy(p->product);
  if (p->x != NULL) b->cublasLtMatrixLayoutDestroy(p->x);
  if (p->y != NULL) b->cublasLtMatrixLayoutDestroy(p->y);
  if (p->d != NULL) b->cublasLtMatrixLayoutDestroy(p->d);
}

int products_plan(Products *s, int kernel, const CudaAddress *args, TdError *err) {
  const TdKernel *k = &s->program->kernels[kernel];
  const TdProduct *product = k->product;
  Plan p = {.kernel = kernel, .alpha = (float)product->alpha};
  if (!product_shape(k, &p.shape, err)) return -1;
  p.x_align = alignment_of(p.shape.x.operand, args, product->batch);
  p.y_align = alignment_of(p.shape.y.operand, args, product->batch);
  p.d_align = alignment_of(p.shape.d.operand, args, product->batch);
  for (int i = 0; i < s->nplans; i++) {
    const Plan *o = &s->plans[i];
    if (o->kernel == kernel && o->x_align == p.x_align && o->y_align == p.y_align &&
        o->d_align == p.d_align)
      return i;
  }
  Plan *more = realloc(s->plans, ((size_t)s->nplans + 1) * sizeof *more);
  if (more != NULL) s->plans = more;
  bool ok = more != NULL || td_fail_memory(err);
  BlasStatus r = ok ? describe(&s->blas, product->batch, &p) : BLAS_OK;
  if (r != BLAS_OK) ok = product_failed(s, &p, r, "does not take this product", err);
  ok = ok && product_choose(s, &p, err);
  if (ok) {
    s->plans[s->nplans] = p;
    return s->nplans++;
  }
  plan_free(&s->blas, &p);
  return -1;
}

BlasStatus products_run(const Products *s, int plan, const CudaAddress *args, const int64_t *ix) {
  const Plan *p = &s->plans[plan];
  const ProductMatrix *matrix[3] = {&p->shape.x, &p->shape.y, &p->shape.d};
  CudaAddress at[3];
  for (int i = 0; i < 3; i++) {
    const TdOperand *o = matrix[i]->operand;
    int64_t offset = 0;
    for (int slot = 0; slot < TD_MAX_LOOPS; slot++) offset += o->by_slot[slot] * ix[slot];
    at[i] = address_of(o, args) + (CudaAddress)(offset * (int64_t)td_type_size(o->type));
  }
  return product_start(s, p, &p->algorithm, p->alpha, at);
}

/* ---- opening ---------------------------------------------------------------------------- */

Products *products_new(const TdProgram *p, const ProductTools *tools, TdError *err) {
  Products *s = calloc(1, sizeof *s);
  if (s == NULL) {
    td_fail_memory(err);
    return NULL;
  }
  *s = (Products){.program = p, .tools = *tools};
  const CudaDriver *driver = &tools->gpu->driver;
  bool ok = cuda_blas_open(&s->blas, driver, err);
  BlasStatus r = ok ? s->blas.cublasLtCreate(&s->handle) : BLAS_OK;
  if (r != BLAS_OK)
    ok = td_fail(err, r == BLAS_NO_MEMORY ? TD_IO_FAILED : TD_NO_TOOL,
                 "%s does not start (status %d)", s->blas.file.path, r);
  if (ok && driver->cuMemAlloc_v2(&s->workspace, TD_PRODUCT_MEMORY) != CUDA_OK) {
    s->workspace = 0;
    ok = td_fail(err, TD_IO_FAILED, "the GPU has no memory left for the products of cuBLASLt");
  }
  if (ok) return s;
  products_free(s);
  return NULL;
}

size_t products_version(const Products *s) { return s->blas.version; }

void products_free(Products *s) {
  if (s == NULL) return;
  for (int i = 0; i < s->nplans; i++) plan_free(&s->blas, &s->plans[i]);
  if (s->handle != NULL) s->blas.cublasLtDestroy(s->handle);
  if (s->workspace != 0) s->tools.gpu->driver.cuMemFree_v2(s->workspace);
  free(s->plans);
  free(s);
}
