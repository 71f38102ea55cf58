/* SPDX-License-Identifier: MIT */
/* Products by cuBLASLt. See product.h.
 *
 * The library chooses among many algorithms; which one decides the order of the sums and so
 * the last bits. None is taken that splits the inner sum and puts it together in whatever
 * order blocks end, and f32 is not rounded to TF32: two runs give the same numbers. */
#include "runtime/cuda/product.h"

#include <stdlib.h>

enum { ALIGNMENT_MOST = 256 };

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

/* ---- plans ---------------------------------------------------------------------------- */

/* Of one kernel, for addresses that are multiples of these. */
typedef struct Plan {
  int kernel;
  uint32_t x_align, y_align, d_align;
  ProductShape shape;
  float alpha;
  BlasProduct product;
  BlasLayout x, y, d;
  BlasAlgorithm algorithm;
} Plan;

struct Products {
  const TdProgram *program;
  const CudaDriver *driver;
  CudaStream stream;
  BlasLt blas;
  BlasHandle handle;
  CudaAddress workspace;
  Plan *plans;
  int nplans;
};

static bool failed(const Products *s, const Plan *p, BlasStatus r, const char *what, TdError *err) {
  const TdKernel *k = &s->program->kernels[p->kernel];
  if (r == BLAS_NO_MEMORY)
    return td_fail(err, TD_IO_FAILED, "cuBLASLt has no memory left for %s (%s)", k->name,
                   k->where != NULL ? k->where : "?");
  return td_fail(err, TD_NO_TOOL, "%s (%s): cuBLASLt %zu %s (status %d)", k->name,
                 k->where != NULL ? k->where : "?", s->blas.version, what, r);
}

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

static BlasStatus prefer(const BlasLt *b, const Plan *p, BlasPreference preference) {
  uint64_t workspace = TD_PRODUCT_MEMORY;
  uint32_t reductions = BLAS_NO_REDUCTION;
  const struct {
    BlasPreferenceAttribute what;
    const void *value;
    size_t bytes;
  } all[] = {{BLAS_WORKSPACE, &workspace, sizeof workspace},
             {BLAS_REDUCTIONS, &reductions, sizeof reductions},
             {BLAS_ALIGNMENT_A, &p->x_align, sizeof p->x_align},
             {BLAS_ALIGNMENT_B, &p->y_align, sizeof p->y_align},
             {BLAS_ALIGNMENT_C, &p->d_align, sizeof p->d_align},
             {BLAS_ALIGNMENT_D, &p->d_align, sizeof p->d_align}};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    BlasStatus r = b->cublasLtMatmulPreferenceSetAttribute(preference, all[i].what, all[i].value,
                                                           all[i].bytes);
    if (r != BLAS_OK) return r;
  }
  return BLAS_OK;
}

static bool choose(const Products *s, Plan *p, TdError *err) {
  const BlasLt *b = &s->blas;
  BlasPreference preference;
  BlasCandidate candidates[8];
  int n = 0, at = 0;
  BlasStatus r = b->cublasLtMatmulPreferenceCreate(&preference);
  if (r != BLAS_OK) return failed(s, p, r, "has no preferences", err);
  r = prefer(b, p, preference);
  if (r == BLAS_OK)
    r = b->cublasLtMatmulAlgoGetHeuristic(s->handle, p->product, p->x, p->y, p->d, p->d, preference,
                                          (int)(sizeof candidates / sizeof *candidates), candidates,
                                          &n);
  b->cublasLtMatmulPreferenceDestroy(preference);
  while (at < n &&
         (candidates[at].state != BLAS_OK || candidates[at].workspaceSize > TD_PRODUCT_MEMORY))
    at++;
  if (r != BLAS_OK || at == n) return failed(s, p, r, "has no algorithm for this product", err);
  p->algorithm = candidates[at].algo;
  return true;
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
  if (ok && product->batch > INT32_MAX) ok = bad(k, err, "its batch is too large");
  BlasStatus r = ok ? describe(&s->blas, product->batch, &p) : BLAS_OK;
  if (r != BLAS_OK) ok = failed(s, &p, r, "does not take this product", err);
  ok = ok && choose(s, &p, err);
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
  void *at[3];
  float beta = 0;
  for (int i = 0; i < 3; i++) {
    const TdOperand *o = matrix[i]->operand;
    int64_t offset = 0;
    for (int slot = 0; slot < TD_MAX_LOOPS; slot++) offset += o->by_slot[slot] * ix[slot];
    at[i] = (void *)(uintptr_t)(address_of(o, args) +
                                (CudaAddress)(offset * (int64_t)td_type_size(o->type)));
  }
  return s->blas.cublasLtMatmul(s->handle, p->product, &p->alpha, at[0], p->x, at[1], p->y, &beta,
                                at[2], p->d, at[2], p->d, &p->algorithm,
                                (void *)(uintptr_t)s->workspace, TD_PRODUCT_MEMORY, s->stream);
}

/* ---- opening ---------------------------------------------------------------------------- */

Products *products_new(const TdProgram *p, const CudaDriver *driver, CudaStream stream,
                       TdError *err) {
  Products *s = calloc(1, sizeof *s);
  if (s == NULL) {
    td_fail_memory(err);
    return NULL;
  }
  *s = (Products){.program = p, .driver = driver, .stream = stream};
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
  if (s->workspace != 0) s->driver->cuMemFree_v2(s->workspace);
  free(s->plans);
  free(s);
}
