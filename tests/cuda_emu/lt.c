/* SPDX-License-Identifier: MIT */
/* cuBLASLt: descriptions, a choice of algorithms, and products queued in the driver's
 * streams (product.c). Refused is what the library refuses, and what it takes without a
 * word and goes wrong with: pointers less aligned than was said, an algorithm asked for
 * while a stream is captured. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cuda_emu/emu.h"
#include "tests/cuda_emu/product.h"

enum { LT_HANDLE = 0x4c54, LT_PRODUCT, LT_MATRIX, LT_PREFERENCE };

struct EmuLt {
  int what; /* LT_HANDLE; 0 when it is destroyed */
};
struct EmuProductDesc {
  int what;
  int compute, scale, pointer_mode, transpose_a, transpose_b, transpose_c, epilogue;
  uintptr_t bias;
};
struct EmuMatrix {
  int what;
  int type, order, batches;
  uint64_t rows, cols;
  int64_t ld, stride;
};
struct EmuPreference {
  int what;
  uint64_t workspace;
  uint32_t reduction, alignment[4];
};

#define FAIL_ON_DEMAND(usual)                       \
  do {                                              \
    int asked_ = fault_wanted(__func__, usual);     \
    if (asked_ != 0) return (cublasStatus_t)asked_; \
  } while (0)
#define IS(handle, kind) ((handle) != NULL && (handle)->what == (kind))

size_t cublasLtGetVersion(void) { return (size_t)setting("TDC_EMU_LT_VERSION", 130100); }

const char *cublasLtGetStatusString(cublasStatus_t status) {
  switch (status) {
  case CUBLAS_STATUS_SUCCESS: return "CUBLAS_STATUS_SUCCESS";
  case CUBLAS_STATUS_NOT_INITIALIZED: return "CUBLAS_STATUS_NOT_INITIALIZED";
  case CUBLAS_STATUS_ALLOC_FAILED: return "CUBLAS_STATUS_ALLOC_FAILED";
  case CUBLAS_STATUS_INVALID_VALUE: return "CUBLAS_STATUS_INVALID_VALUE";
  case CUBLAS_STATUS_EXECUTION_FAILED: return "CUBLAS_STATUS_EXECUTION_FAILED";
  case CUBLAS_STATUS_INTERNAL_ERROR: return "CUBLAS_STATUS_INTERNAL_ERROR";
  case CUBLAS_STATUS_NOT_SUPPORTED: return "CUBLAS_STATUS_NOT_SUPPORTED";
  }
  return "CUBLAS_STATUS unknown";
}

cublasStatus_t cublasLtCreate(cublasLtHandle_t *h) {
  FAIL_ON_DEMAND(CUBLAS_STATUS_NOT_INITIALIZED);
  if (h == NULL) return CUBLAS_STATUS_INVALID_VALUE;
  *h = calloc(1, sizeof **h);
  if (*h == NULL) return CUBLAS_STATUS_ALLOC_FAILED;
  (*h)->what = LT_HANDLE;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t h) {
  FAIL_ON_DEMAND(CUBLAS_STATUS_INTERNAL_ERROR);
  if (!IS(h, LT_HANDLE)) return CUBLAS_STATUS_NOT_INITIALIZED;
  h->what = 0;
  free(h);
  return CUBLAS_STATUS_SUCCESS;
}

/* ---- descriptions --------------------------------------------------------------------- */

/* Exactly so many bytes, as the library insists. */
static cublasStatus_t put(void *to, size_t size, const void *value, size_t bytes) {
  if (value == NULL || bytes != size) return CUBLAS_STATUS_INVALID_VALUE;
  memcpy(to, value, size);
  return CUBLAS_STATUS_SUCCESS;
}
#define PUT(field) return put(&(field), sizeof(field), value, bytes)

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *d, int compute, int scale) {
  FAIL_ON_DEMAND(CUBLAS_STATUS_ALLOC_FAILED);
  if (d == NULL) return CUBLAS_STATUS_INVALID_VALUE;
  *d = calloc(1, sizeof **d);
  if (*d == NULL) return CUBLAS_STATUS_ALLOC_FAILED;
  **d = (struct EmuProductDesc){.what = LT_PRODUCT,
                                .compute = compute,
                                .scale = scale,
                                .epilogue = CUBLASLT_EPILOGUE_DEFAULT};
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t d, int attribute,
                                              const void *value, size_t bytes) {
  FAIL_ON_DEMAND(CUBLAS_STATUS_INVALID_VALUE);
  if (!IS(d, LT_PRODUCT)) return CUBLAS_STATUS_INVALID_VALUE;
  switch (attribute) {
  case CUBLASLT_MATMUL_DESC_COMPUTE_TYPE: PUT(d->compute);
  case CUBLASLT_MATMUL_DESC_SCALE_TYPE: PUT(d->scale);
  case CUBLASLT_MATMUL_DESC_POINTER_MODE: PUT(d->pointer_mode);
  case CUBLASLT_MATMUL_DESC_TRANSA: PUT(d->transpose_a);
  case CUBLASLT_MATMUL_DESC_TRANSB: PUT(d->transpose_b);
  case CUBLASLT_MATMUL_DESC_TRANSC: PUT(d->transpose_c);
  case CUBLASLT_MATMUL_DESC_EPILOGUE: PUT(d->epilogue);
  case CUBLASLT_MATMUL_DESC_BIAS_POINTER: PUT(d->bias);
  default: return CUBLAS_STATUS_INVALID_VALUE;
  }
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t d) {
  FAIL_ON_DEMAND(CUBLAS_STATUS_INTERNAL_ERROR);
  if (!IS(d, LT_PRODUCT)) return CUBLAS_STATUS_INVALID_VALUE;
  d->what = 0;
  free(d);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t *m, int type, uint64_t rows,
                                          uint64_t cols, int64_t ld) {
  FAIL_ON_DEMAND(CUBLAS_STATUS_ALLOC_FAILED);
  if (m == NULL) return CUBLAS_STATUS_INVALID_VALUE;
  *m = calloc(1, sizeof **m);
  if (*m == NULL) return CUBLAS_STATUS_ALLOC_FAILED;
  **m = (struct EmuMatrix){LT_MATRIX, type, CUBLASLT_ORDER_COL, 1, rows, cols, ld, 0};
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t m, int attribute,
                                                const void *value, size_t bytes) {
  FAIL_ON_DEMAND(CUBLAS_STATUS_INVALID_VALUE);
  if (!IS(m, LT_MATRIX)) return CUBLAS_STATUS_INVALID_VALUE;
  switch (attribute) {
  case CUBLASLT_MATRIX_LAYOUT_TYPE: PUT(m->type);
  case CUBLASLT_MATRIX_LAYOUT_ORDER: PUT(m->order);
  case CUBLASLT_MATRIX_LAYOUT_ROWS: PUT(m->rows);
  case CUBLASLT_MATRIX_LAYOUT_COLS: PUT(m->cols);
  case CUBLASLT_MATRIX_LAYOUT_LD: PUT(m->ld);
  case CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT: PUT(m->batches);
  case CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET: PUT(m->stride);
  default: return CUBLAS_STATUS_INVALID_VALUE;
  }
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t m) {
  FAIL_ON_DEMAND(CUBLAS_STATUS_INTERNAL_ERROR);
  if (!IS(m, LT_MATRIX)) return CUBLAS_STATUS_INVALID_VALUE;
  m->what = 0;
  free(m);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *p) {
  FAIL_ON_DEMAND(CUBLAS_STATUS_ALLOC_FAILED);
  if (p == NULL) return CUBLAS_STATUS_INVALID_VALUE;
  *p = calloc(1, sizeof **p);
  if (*p == NULL) return CUBLAS_STATUS_ALLOC_FAILED;
  **p = (struct EmuPreference){LT_PREFERENCE, 0, 7, {256, 256, 256, 256}};
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t p, int attribute,
                                                    const void *value, size_t bytes) {
  FAIL_ON_DEMAND(CUBLAS_STATUS_INVALID_VALUE);
  uint32_t ignored;
  float waves;
  uint64_t mask;
  if (!IS(p, LT_PREFERENCE)) return CUBLAS_STATUS_INVALID_VALUE;
  switch (attribute) {
  case CUBLASLT_MATMUL_PREF_SEARCH_MODE: PUT(ignored);
  case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES: PUT(p->workspace);
  case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK: PUT(p->reduction);
  case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES: PUT(p->alignment[0]);
  case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES: PUT(p->alignment[1]);
  case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES: PUT(p->alignment[2]);
  case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES: PUT(p->alignment[3]);
  case CUBLASLT_MATMUL_PREF_MAX_WAVES_COUNT: PUT(waves);
  case CUBLASLT_MATMUL_PREF_IMPL_MASK: PUT(mask);
  default: return CUBLAS_STATUS_INVALID_VALUE;
  }
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t p) {
  FAIL_ON_DEMAND(CUBLAS_STATUS_INTERNAL_ERROR);
  if (!IS(p, LT_PREFERENCE)) return CUBLAS_STATUS_INVALID_VALUE;
  p->what = 0;
  free(p);
  return CUBLAS_STATUS_SUCCESS;
}

/* ---- is it a product that the library computes? ---------------------------------------- */

static Matrix matrix(uintptr_t at, const struct EmuMatrix *m, int transposed) {
  Matrix x = {at, m->type, (int64_t)m->rows, (int64_t)m->cols, 1, m->ld, m->stride};
  if (m->order == CUBLASLT_ORDER_ROW) x.row = m->ld, x.col = 1;
  if (transposed) x = (Matrix){at, m->type, x.cols, x.rows, x.col, x.row, m->stride};
  return x;
}

static cublasStatus_t check_matrix(const struct EmuMatrix *m) {
  if (!IS(m, LT_MATRIX) || m->rows < 1 || m->cols < 1 || m->batches < 1)
    return CUBLAS_STATUS_INVALID_VALUE;
  if (type_bytes(m->type) == 0 || m->order < CUBLASLT_ORDER_COL || m->order > CUBLASLT_ORDER_ROW)
    return CUBLAS_STATUS_NOT_SUPPORTED;
  if (m->rows > INT32_MAX || m->cols > INT32_MAX) return CUBLAS_STATUS_NOT_SUPPORTED;
  uint64_t line = m->order == CUBLASLT_ORDER_COL ? m->rows : m->cols;
  return m->ld < 1 || (uint64_t)m->ld < line ? CUBLAS_STATUS_INVALID_VALUE : CUBLAS_STATUS_SUCCESS;
}

static cublasStatus_t check(cublasLtHandle_t h, cublasLtMatmulDesc_t d, cublasLtMatrixLayout_t a,
                            cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c,
                            cublasLtMatrixLayout_t to) {
  if (!IS(h, LT_HANDLE)) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (!IS(d, LT_PRODUCT)) return CUBLAS_STATUS_INVALID_VALUE;
  const struct EmuMatrix *all[] = {a, b, c, to};
  for (int i = 0; i < 4; i++) {
    cublasStatus_t s = check_matrix(all[i]);
    if (s != CUBLAS_STATUS_SUCCESS) return s;
  }
  Matrix x = matrix(0, a, d->transpose_a), y = matrix(0, b, d->transpose_b);
  if (x.cols != y.rows || x.rows != (int64_t)to->rows || y.cols != (int64_t)to->cols ||
      c->rows != to->rows || c->cols != to->cols || a->batches != to->batches ||
      b->batches != to->batches || c->batches != to->batches)
    return CUBLAS_STATUS_INVALID_VALUE;
  if ((d->transpose_a | d->transpose_b) > CUBLAS_OP_T || d->transpose_c != CUBLAS_OP_N ||
      d->pointer_mode != 0 || d->scale != CUDA_R_32F)
    return CUBLAS_STATUS_NOT_SUPPORTED;
  if (d->compute != CUBLAS_COMPUTE_32F && d->compute != CUBLAS_COMPUTE_32F_PEDANTIC &&
      d->compute != CUBLAS_COMPUTE_32F_TF32)
    return CUBLAS_STATUS_NOT_SUPPORTED;
  if (a->type != b->type || c->type != to->type || (to->type != CUDA_R_32F && to->type != a->type))
    return CUBLAS_STATUS_NOT_SUPPORTED;
  if (c->order != to->order) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (d->epilogue != CUBLASLT_EPILOGUE_DEFAULT &&
      (d->epilogue != CUBLASLT_EPILOGUE_BIAS || to->order == CUBLASLT_ORDER_ROW))
    return CUBLAS_STATUS_NOT_SUPPORTED;
  return CUBLAS_STATUS_SUCCESS;
}

/* ---- algorithms ---------------------------------------------------------------------- */

/* What an algorithm is for: types, orders, transpositions; its workspace; how far the four
 * matrices were said to be aligned. */
enum { ALGO_ID, ALGO_FOR, ALGO_WORKSPACE, ALGO_ALIGNED, ALGO_ALIGNED_2, ALGO_MARK, ALGO_SPLIT };
static const uint64_t algo_mark = 0x656d756c61746564u;

/* Does the environment list the algorithm of this number? */
static bool is_listed(const char *variable, uint64_t id) {
  const char *list = getenv(variable);
  for (char *end; list != NULL && *list != '\0'; list = *end == ',' ? end + 1 : end) {
    if (strtoull(list, &end, 10) == id) return true;
    if (end == list) return false;
  }
  return false;
}

static uint64_t shape_of(cublasLtMatmulDesc_t d, cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                         cublasLtMatrixLayout_t to) {
  const int parts[] = {d->compute, d->transpose_a, d->transpose_b, d->epilogue, a->type,
                       a->order,   b->order,       to->type,       to->order};
  uint64_t h = 1469598103934665603u;
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    h = (h ^ (uint64_t)(parts[i] + 1)) * 1099511628211u;
  return h;
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t h, cublasLtMatmulDesc_t d,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t to,
                                              cublasLtMatmulPreference_t p, int requested,
                                              cublasLtMatmulHeuristicResult_t *results,
                                              int *returned) {
  static const uint64_t workspaces[] = {0, 1 << 20, 4 << 20};
  FAIL_ON_DEMAND(CUBLAS_STATUS_NOT_SUPPORTED);
  if (returned != NULL) *returned = 0;
  if (!IS(p, LT_PREFERENCE) || requested < 1 || results == NULL || returned == NULL)
    return CUBLAS_STATUS_INVALID_VALUE;
  cublasStatus_t s = check(h, d, a, b, c, to);
  if (s != CUBLAS_STATUS_SUCCESS) return s;
  if (emu_capturing()) return CUBLAS_STATUS_INTERNAL_ERROR;
  for (int i = 0; i < 4; i++)
    if (p->alignment[i] == 0 || (p->alignment[i] & (p->alignment[i] - 1)) != 0)
      return CUBLAS_STATUS_INVALID_VALUE;
  for (int i = 0; i < 3 && *returned < requested; i++) {
    if (workspaces[i] > p->workspace) continue;
    cublasLtMatmulHeuristicResult_t *r = &results[(*returned)++];
    memset(r, 0, sizeof *r);
    r->algo.data[ALGO_ID] = (uint64_t)i + 1;
    r->algo.data[ALGO_FOR] = shape_of(d, a, b, to);
    r->algo.data[ALGO_WORKSPACE] = workspaces[i];
    r->algo.data[ALGO_ALIGNED] = (uint64_t)p->alignment[1] << 32 | p->alignment[0];
    r->algo.data[ALGO_ALIGNED_2] = (uint64_t)p->alignment[3] << 32 | p->alignment[2];
    r->algo.data[ALGO_MARK] = algo_mark;
    r->algo.data[ALGO_SPLIT] = is_listed("TDC_EMU_LT_SPLIT", i + 1) ? 4 : 1;
    r->workspaceSize = workspaces[i];
    r->state = CUBLAS_STATUS_SUCCESS;
    r->wavesCount = 1.0f;
  }
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoConfigGetAttribute(const cublasLtMatmulAlgo_t *algo, int attribute,
                                                    void *value, size_t bytes, size_t *written) {
  FAIL_ON_DEMAND(CUBLAS_STATUS_INVALID_VALUE);
  uint32_t x;
  if (algo == NULL || algo->data[ALGO_MARK] != algo_mark) return CUBLAS_STATUS_INVALID_VALUE;
  if (attribute < CUBLASLT_ALGO_CONFIG_ID || attribute > CUBLASLT_ALGO_CONFIG_STAGES_ID)
    return CUBLAS_STATUS_INVALID_VALUE;
  x = attribute == CUBLASLT_ALGO_CONFIG_ID           ? (uint32_t)algo->data[ALGO_ID]
      : attribute == CUBLASLT_ALGO_CONFIG_SPLITK_NUM ? (uint32_t)algo->data[ALGO_SPLIT]
                                                     : 0;
  if (written != NULL) *written = sizeof x;
  if (bytes < sizeof x || value == NULL) return CUBLAS_STATUS_INVALID_VALUE;
  memcpy(value, &x, sizeof x);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoCheck(cublasLtHandle_t h, cublasLtMatmulDesc_t d,
                                       cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                       cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t to,
                                       const cublasLtMatmulAlgo_t *algo,
                                       cublasLtMatmulHeuristicResult_t *result) {
  FAIL_ON_DEMAND(CUBLAS_STATUS_NOT_SUPPORTED);
  if (algo == NULL || result == NULL) return CUBLAS_STATUS_INVALID_VALUE;
  cublasStatus_t s = check(h, d, a, b, c, to);
  if (s != CUBLAS_STATUS_SUCCESS) return s;
  if (emu_capturing()) return CUBLAS_STATUS_INTERNAL_ERROR;
  if (algo->data[ALGO_MARK] != algo_mark) return CUBLAS_STATUS_INVALID_VALUE;
  if (algo->data[ALGO_FOR] != shape_of(d, a, b, to)) return CUBLAS_STATUS_INVALID_VALUE;
  result->workspaceSize = algo->data[ALGO_WORKSPACE];
  result->state = CUBLAS_STATUS_SUCCESS;
  result->wavesCount = 1.0f;
  return CUBLAS_STATUS_SUCCESS;
}

/* ---- products ------------------------------------------------------------------------- */

static bool aligned(const char *name, const Matrix *m, uint64_t alignment, int64_t batches) {
  uint64_t step = batches > 1 ? (uint64_t)m->batch * type_bytes(m->type) : 0;
  if ((m->at | step) % alignment == 0) return true;
  emu_report("misaligned",
             "cublasLtMatmul: %s at %#llx, its batches %llu bytes apart, was said to be "
             "aligned to %llu",
             name, (unsigned long long)m->at, (unsigned long long)step,
             (unsigned long long)alignment);
  return false;
}

static bool overlap(const Matrix *x, const Matrix *y, int64_t batches) {
  return x->at < y->at + matrix_bytes(y, batches) && y->at < x->at + matrix_bytes(x, batches);
}

static cublasStatus_t check_algo(const cublasLtMatmulAlgo_t *algo, uint64_t shape,
                                 const Product *p) {
  const uint64_t *data = algo->data;
  if (data[ALGO_MARK] != algo_mark || data[ALGO_FOR] != shape) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (p->workspace_bytes < data[ALGO_WORKSPACE]) return CUBLAS_STATUS_INVALID_VALUE;
  if (!aligned("A", &p->a, data[ALGO_ALIGNED] & 0xffffffffu, p->batches) ||
      !aligned("B", &p->b, data[ALGO_ALIGNED] >> 32, p->batches) ||
      (p->beta != 0.0f && !aligned("C", &p->c, data[ALGO_ALIGNED_2] & 0xffffffffu, p->batches)) ||
      !aligned("D", &p->d, data[ALGO_ALIGNED_2] >> 32, p->batches))
    return CUBLAS_STATUS_INVALID_VALUE;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t h, cublasLtMatmulDesc_t d, const void *alpha,
                              const void *a, cublasLtMatrixLayout_t a_layout, const void *b,
                              cublasLtMatrixLayout_t b_layout, const void *beta, const void *c,
                              cublasLtMatrixLayout_t c_layout, void *to,
                              cublasLtMatrixLayout_t to_layout, const cublasLtMatmulAlgo_t *algo,
                              void *workspace, size_t workspace_bytes, CUstream s) {
  FAIL_ON_DEMAND(CUBLAS_STATUS_EXECUTION_FAILED);
  cublasStatus_t status = check(h, d, a_layout, b_layout, c_layout, to_layout);
  if (status != CUBLAS_STATUS_SUCCESS) return status;
  if (alpha == NULL || beta == NULL || a == NULL || b == NULL || to == NULL)
    return CUBLAS_STATUS_INVALID_VALUE;
  Product p = {.a = matrix((uintptr_t)a, a_layout, d->transpose_a),
               .b = matrix((uintptr_t)b, b_layout, d->transpose_b),
               .c = matrix((uintptr_t)c, c_layout, 0),
               .d = matrix((uintptr_t)to, to_layout, 0),
               .bias = d->epilogue == CUBLASLT_EPILOGUE_BIAS ? d->bias : 0,
               .bias_type = to_layout->type,
               .batches = to_layout->batches,
               .tf32 = d->compute == CUBLAS_COMPUTE_32F_TF32,
               .workspace = (uintptr_t)workspace,
               .workspace_bytes = workspace_bytes,
               .workspace_used = workspace_bytes};
  memcpy(&p.alpha, alpha, 4);
  memcpy(&p.beta, beta, 4);
  if ((p.beta != 0.0f && c == NULL) || (uintptr_t)workspace % 16 != 0 ||
      (workspace == NULL && workspace_bytes > 0) ||
      (d->epilogue == CUBLASLT_EPILOGUE_BIAS && d->bias == 0))
    return CUBLAS_STATUS_INVALID_VALUE;
  if (c == to && (c_layout->ld != to_layout->ld || c_layout->stride != to_layout->stride))
    return CUBLAS_STATUS_INVALID_VALUE;
  if (algo == NULL && emu_capturing()) return CUBLAS_STATUS_INTERNAL_ERROR;
  if (algo != NULL) {
    status = check_algo(algo, shape_of(d, a_layout, b_layout, to_layout), &p);
    if (status != CUBLAS_STATUS_SUCCESS) return status;
    p.workspace_used = algo->data[ALGO_WORKSPACE];
    p.cut = is_listed("TDC_EMU_LT_CUT", algo->data[ALGO_ID]);
    p.slow = is_listed("TDC_EMU_LT_SLOW", algo->data[ALGO_ID]);
    p.tf32 = p.tf32 || is_listed("TDC_EMU_LT_TF32", algo->data[ALGO_ID]);
  }
  if (overlap(&p.d, &p.a, p.batches) || overlap(&p.d, &p.b, p.batches)) {
    emu_report("race", "cublasLtMatmul: D shares bytes with an operand");
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  CUresult r = emu_enqueue(s, product_run, &p, sizeof p);
  return r == CUDA_SUCCESS ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}
