/* SPDX-License-Identifier: MIT */
/* The emulated cuBLASLt (tests/cuda_emu/): products against sums that are exact, and what it
 * refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/cuda_emu/loaded.h"

/* d[m, n] = alpha a b + beta d, each of a batch; what is said of it, and where it lies. */
typedef struct Case {
  int m, n, k, batches;
  int type, to_type, compute;
  bool transpose_a, transpose_b, by_rows; /* the order of all four */
  int64_t lda, ldb, ldd;                  /* 0: as small as can be */
  uint32_t aligned;
  int64_t shift; /* of A, in elements */
  float alpha, beta;
  int epilogue, k_of_b, ld_of_a; /* 0: right */
  uint64_t workspace, given;
} Case;

typedef struct Plan {
  cublasLtHandle_t lt;
  cublasLtMatmulDesc_t what;
  cublasLtMatrixLayout_t a, b, d;
  cublasLtMatmulPreference_t preference;
  cublasLtMatmulHeuristicResult_t found[4];
  int nfound;
  int64_t lda, ldb, ldd;
} Plan;

static void set(Plan *p, int attribute, int value) {
  assert_int_equal(emu.cublasLtMatmulDescSetAttribute(p->what, attribute, &value, 4), 0);
}

static cublasLtMatrixLayout_t layout(const Case *c, int type, int rows, int cols, int64_t *ld,
                                     int64_t stride) {
  cublasLtMatrixLayout_t m;
  int order = c->by_rows;
  if (*ld == 0) *ld = c->by_rows ? cols : rows;
  assert_int_equal(emu.cublasLtMatrixLayoutCreate(&m, type, (uint64_t)rows, (uint64_t)cols, *ld),
                   0);
  emu.cublasLtMatrixLayoutSetAttribute(m, CUBLASLT_MATRIX_LAYOUT_ORDER, &order, 4);
  emu.cublasLtMatrixLayoutSetAttribute(m, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &c->batches, 4);
  assert_int_equal(emu.cublasLtMatrixLayoutSetAttribute(
                       m, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride, 8),
                   0);
  return m;
}

enum { STRIDE = 4096 }; /* elements from one of a batch to the next */

static cublasStatus_t plan(const Case *c, Plan *p) {
  *p = (Plan){.lda = c->lda, .ldb = c->ldb, .ldd = c->ldd};
  int k = c->k_of_b ? c->k_of_b : c->k;
  assert_int_equal(emu.cublasLtCreate(&p->lt), 0);
  assert_int_equal(emu.cublasLtMatmulDescCreate(&p->what, c->compute, CUDA_R_32F), 0);
  set(p, CUBLASLT_MATMUL_DESC_TRANSA, c->transpose_a);
  set(p, CUBLASLT_MATMUL_DESC_TRANSB, c->transpose_b);
  if (c->epilogue) set(p, CUBLASLT_MATMUL_DESC_EPILOGUE, c->epilogue);
  p->a = layout(c, c->type, c->transpose_a ? c->k : c->m, c->transpose_a ? c->m : c->k, &p->lda,
                STRIDE);
  p->b = layout(c, c->type, c->transpose_b ? c->n : k, c->transpose_b ? k : c->n, &p->ldb, STRIDE);
  p->d = layout(c, c->to_type, c->m, c->n, &p->ldd, STRIDE);
  if (c->ld_of_a) {
    int64_t ld = c->ld_of_a;
    emu.cublasLtMatrixLayoutSetAttribute(p->a, CUBLASLT_MATRIX_LAYOUT_LD, &ld, 8);
  }
  emu.cublasLtMatmulPreferenceCreate(&p->preference);
  for (int i = CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES; c->aligned && i < 9; i++)
    emu.cublasLtMatmulPreferenceSetAttribute(p->preference, i, &c->aligned, 4);
  emu.cublasLtMatmulPreferenceSetAttribute(p->preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                           &c->workspace, 8);
  return emu.cublasLtMatmulAlgoGetHeuristic(p->lt, p->what, p->a, p->b, p->d, p->d, p->preference,
                                            4, p->found, &p->nfound);
}

static void forget(Plan *p) {
  emu.cublasLtMatmulPreferenceDestroy(p->preference);
  emu.cublasLtMatrixLayoutDestroy(p->a);
  emu.cublasLtMatrixLayoutDestroy(p->b);
  emu.cublasLtMatrixLayoutDestroy(p->d);
  emu.cublasLtMatmulDescDestroy(p->what);
  assert_int_equal(emu.cublasLtDestroy(p->lt), 0);
}

/* ---- numbers: small integers, exact in bf16, and their sums in f32 ---- */

enum { BATCHES = 3, ALL = BATCHES * STRIDE };
static int of_a(int batch, int i, int k) { return (i + 2 * k + batch) % 5 - 2; }
static int of_b(int batch, int k, int j) { return (3 * k + j - batch + 9) % 7 - 3; }

static void put(void *to, int type, int64_t at, float x) {
  uint32_t u;
  memcpy(&u, &x, 4);
  if (type == CUDA_R_32F)
    ((float *)to)[at] = x;
  else
    ((uint16_t *)to)[at] = (uint16_t)(u >> 16);
}

static float get(const void *from, int type, int64_t at) {
  if (type == CUDA_R_32F) return ((const float *)from)[at];
  uint32_t u = (uint32_t)((const uint16_t *)from)[at] << 16;
  float x;
  memcpy(&x, &u, 4);
  return x;
}

/* The place of row i, column j of a matrix as it is stored. */
static int64_t at(const Case *c, int batch, int i, int j, int64_t ld) {
  return (int64_t)batch * STRIDE + (c->by_rows ? i * ld + j : i + j * ld);
}

static void fill(const Case *c, const Plan *p, void *a, void *b) {
  for (int batch = 0; batch < c->batches; batch++) {
    for (int i = 0; i < c->m; i++)
      for (int k = 0; k < c->k; k++)
        put(a, c->type, at(c, batch, c->transpose_a ? k : i, c->transpose_a ? i : k, p->lda),
            (float)of_a(batch, i, k));
    for (int k = 0; k < c->k; k++)
      for (int j = 0; j < c->n; j++)
        put(b, c->type, at(c, batch, c->transpose_b ? j : k, c->transpose_b ? k : j, p->ldb),
            (float)of_b(batch, k, j));
  }
}

/* The product's status; then `r` of the wait for it. */
static cublasStatus_t run(const Case *c, Plan *p, float *d, CUresult *r) {
  static float a[ALL], b[ALL];
  CUdeviceptr da = device(sizeof a), db = device(sizeof b), dd = device(ALL * sizeof *d);
  CUdeviceptr workspace = device(8 << 20);
  fill(c, p, a, b);
  up(da, a, sizeof a);
  up(db, b, sizeof b);
  for (int i = 0; i < ALL; i++) put(d, c->to_type, i, 1.0f);
  up(dd, d, ALL * sizeof *d);
  void *to = (void *)(uintptr_t)dd;
  uint64_t bytes = c->given ? c->given - 1 : p->found[p->nfound - 1].workspaceSize;
  cublasStatus_t s = emu.cublasLtMatmul(
      p->lt, p->what, &c->alpha, (char *)(uintptr_t)da + c->shift * 2, p->a, (void *)(uintptr_t)db,
      p->b, &c->beta, to, p->d, to, p->d, &p->found[p->nfound - 1].algo,
      (void *)(uintptr_t)workspace, bytes, stream);
  *r = emu.cuStreamSynchronize(stream);
  if (*r == CUDA_SUCCESS) down(d, dd, ALL * sizeof *d);
  return s;
}

static void check(const Case *c) {
  static float d[ALL];
  Plan p;
  CUresult r;
  for (int checked = 0; checked <= 1; checked++) {
    open_device(checked, 1);
    assert_int_equal(plan(c, &p), CUBLAS_STATUS_SUCCESS);
    assert_true(p.nfound >= 1);
    assert_int_equal(run(c, &p, d, &r), CUBLAS_STATUS_SUCCESS);
    ok(r);
    for (int batch = 0; batch < c->batches; batch++)
      for (int i = 0; i < c->m; i++)
        for (int j = 0; j < c->n; j++) {
          int sum = 0;
          for (int k = 0; k < c->k; k++) sum += of_a(batch, i, k) * of_b(batch, k, j);
          float want = c->alpha * (float)sum + c->beta;
          assert_true(get(d, c->to_type, at(c, batch, i, j, p.ldd)) == want);
        }
    forget(&p);
    close_device();
  }
}

#define F32 CUDA_R_32F, CUDA_R_32F, CUBLAS_COMPUTE_32F
#define BF16 CUDA_R_16BF, CUDA_R_16BF, CUBLAS_COMPUTE_32F

static void products_are_right(void **state) {
  (void)state;
  static const Case cases[] = {
      {5, 7, 40, 1, F32, 0, 0, 0, 0, 0, 0, 16, 0, 1, 0, 0, 0, 0, 0, 0},
      {5, 7, 40, 3, F32, 1, 0, 0, 0, 0, 0, 16, 0, 2, 3, 0, 0, 0, 4 << 20, 0},
      {5, 7, 40, 3, F32, 0, 1, 0, 9, 11, 13, 16, 0, 1, 0, 0, 0, 0, 0, 0},
      {6, 3, 33, 2, F32, 1, 1, 1, 0, 0, 8, 16, 0, 1, 1, 0, 0, 0, 1 << 20, 0},
      {8, 8, 16, 3, BF16, 1, 0, 0, 0, 0, 0, 16, 0, 0.5f, 0, 0, 0, 0, 0, 0},
      {8, 8, 16, 1, CUDA_R_16BF, CUDA_R_32F, CUBLAS_COMPUTE_32F, 0, 0, 1, 0, 0, 0, 16, 0, 1,
       1, 0, 0,  0, 0,           0},
      {1, 1, 1, 1, F32, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0, 0, 0, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) check(&cases[i]);
}

static void products_are_refused(void **state) {
  (void)state;
  static const struct {
    const char *why;
    Case c;
    cublasStatus_t by_choice; /* 0: the product is refused */
    cublasStatus_t by_product;
  } cases[] = {
      {"k of B is another",
       {5, 7, 40, 1, F32, .aligned = 16, .k_of_b = 39, .alpha = 1},
       CUBLAS_STATUS_INVALID_VALUE,
       0},
      {"a leading dimension below the rows",
       {5, 7, 40, 1, F32, .aligned = 16, .ld_of_a = 4, .alpha = 1},
       CUBLAS_STATUS_INVALID_VALUE,
       0},
      {"f32 into bf16",
       {8, 8, 16, 1, CUDA_R_32F, CUDA_R_16BF, CUBLAS_COMPUTE_32F, .aligned = 16, .alpha = 1},
       CUBLAS_STATUS_NOT_SUPPORTED,
       0},
      {"an epilogue of rows",
       {8, 8, 16, 1, F32, .by_rows = true, .aligned = 16, .alpha = 1,
        .epilogue = CUBLASLT_EPILOGUE_BIAS},
       CUBLAS_STATUS_NOT_SUPPORTED,
       0},
      {"another epilogue",
       {8, 8, 16, 1, F32, .aligned = 16, .alpha = 1, .epilogue = 32},
       CUBLAS_STATUS_NOT_SUPPORTED,
       0},
      {"an alignment that is not",
       {8, 8, 16, 1, BF16, .aligned = 16, .shift = 4, .alpha = 1},
       0,
       CUBLAS_STATUS_INVALID_VALUE},
      {"the usual alignment, of 256",
       {8, 8, 16, 1, BF16, .shift = 64, .alpha = 1},
       0,
       CUBLAS_STATUS_INVALID_VALUE},
      {"less workspace than it takes",
       {8, 8, 16, 1, F32, .aligned = 16, .alpha = 1, .workspace = 4 << 20, .given = 4 << 20},
       0,
       CUBLAS_STATUS_INVALID_VALUE},
  };
  static float d[ALL];
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    Plan p;
    CUresult r;
    open_device(false, 1);
    if (plan(&cases[i].c, &p) != cases[i].by_choice) fail_msg("%s: by the choice", cases[i].why);
    if (cases[i].by_choice == 0 && run(&cases[i].c, &p, d, &r) != cases[i].by_product)
      fail_msg("%s: by the product", cases[i].why);
    forget(&p);
    close_device();
  }
}

/* Of one type: A is bf16, B is f32. */
static void operands_are_of_one_type(void **state) {
  (void)state;
  Case c = {8, 8, 16, 1, BF16, .aligned = 16, .alpha = 1};
  Plan p;
  int type = CUDA_R_32F, n;
  open_device(false, 1);
  assert_int_equal(plan(&c, &p), CUBLAS_STATUS_SUCCESS);
  emu.cublasLtMatrixLayoutSetAttribute(p.b, CUBLASLT_MATRIX_LAYOUT_TYPE, &type, 4);
  assert_int_equal(emu.cublasLtMatmulAlgoGetHeuristic(p.lt, p.what, p.a, p.b, p.d, p.d,
                                                      p.preference, 1, p.found, &n),
                   CUBLAS_STATUS_NOT_SUPPORTED);
  forget(&p);
  close_device();
}

/* Chosen before, computed in every launch of the graph. */
static void captures_take_products_but_no_choice(void **state) {
  (void)state;
  static float d[ALL];
  Case c = {5, 7, 40, 1, F32, .aligned = 16, .alpha = 1, .beta = 1};
  Plan p;
  CUgraph graph;
  CUgraphExec exec;
  int n;
  open_device(false, 1);
  assert_int_equal(plan(&c, &p), CUBLAS_STATUS_SUCCESS);
  CUdeviceptr a = device(sizeof d), b = device(sizeof d), to = device(sizeof d);
  for (int i = 0; i < ALL; i++) d[i] = 1.0f;
  up(a, d, sizeof d);
  up(b, d, sizeof d);
  up(to, d, sizeof d);
  ok(emu.cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
  assert_int_equal(emu.cublasLtMatmulAlgoGetHeuristic(p.lt, p.what, p.a, p.b, p.d, p.d,
                                                      p.preference, 1, p.found + 1, &n),
                   CUBLAS_STATUS_INTERNAL_ERROR);
  assert_int_equal(emu.cublasLtMatmul(p.lt, p.what, &c.alpha, (void *)(uintptr_t)a, p.a,
                                      (void *)(uintptr_t)b, p.b, &c.beta, (void *)(uintptr_t)to,
                                      p.d, (void *)(uintptr_t)to, p.d, &p.found[0].algo, NULL, 0,
                                      stream),
                   CUBLAS_STATUS_SUCCESS);
  ok(emu.cuStreamEndCapture(stream, &graph));
  ok(emu.cuGraphInstantiateWithFlags(&exec, graph, 0));
  for (int i = 0; i < 3; i++) ok(emu.cuGraphLaunch(exec, stream));
  down(d, to, sizeof d);
  assert_true(d[0] == 121.0f && d[34] == 121.0f && d[35] == 1.0f); /* 1 + 3 * 40; not touched */
  forget(&p);
  close_device();
}

/* With TF32, ten bits of a fraction count: 1 + 2^-12 is 1. */
static void tf32_is_seen(void **state) {
  (void)state;
  static float d[ALL];
  for (int tf32 = 0; tf32 <= 1; tf32++) {
    Case c = {1,
              1,
              1,
              1,
              CUDA_R_32F,
              CUDA_R_32F,
              tf32 ? CUBLAS_COMPUTE_32F_TF32 : CUBLAS_COMPUTE_32F,
              .aligned = 4,
              .alpha = 1};
    Plan p;
    float zero = 0, x = 1.0f + 0x1p-12f;
    open_device(false, 1);
    assert_int_equal(plan(&c, &p), CUBLAS_STATUS_SUCCESS);
    CUdeviceptr a = device(16), to = device(16);
    up(a, &x, 4);
    assert_int_equal(emu.cublasLtMatmul(p.lt, p.what, &c.alpha, (void *)(uintptr_t)a, p.a,
                                        (void *)(uintptr_t)a, p.b, &zero, NULL, p.d,
                                        (void *)(uintptr_t)to, p.d, NULL, NULL, 0, stream),
                     CUBLAS_STATUS_SUCCESS);
    down(d, to, 4);
    assert_true(d[0] == (tf32 ? 1.0f : x * x));
    forget(&p);
    close_device();
  }
}

/* An operand that nobody wrote, a result outside its block: told when it is computed. */
static void elements_are_looked_at(void **state) {
  (void)state;
  Case c = {8, 8, 8, 1, F32, .aligned = 16, .alpha = 1};
  for (int outside = 0; outside <= 1; outside++) {
    static float x[64];
    Plan p;
    float zero = 0;
    open_device(true, 1);
    assert_int_equal(plan(&c, &p), CUBLAS_STATUS_SUCCESS);
    CUdeviceptr a = device(256), b = device(256), to = device(outside ? 252 : 256);
    up(a, x, 256);
    up(b, x, outside ? 256 : 252);
    assert_int_equal(emu.cublasLtMatmul(p.lt, p.what, &c.alpha, (void *)(uintptr_t)a, p.a,
                                        (void *)(uintptr_t)b, p.b, &zero, NULL, p.d,
                                        (void *)(uintptr_t)to, p.d, &p.found[0].algo, NULL, 0,
                                        stream),
                     CUBLAS_STATUS_SUCCESS);
    assert_int_equal(emu.cuStreamSynchronize(stream), CUDA_ERROR_ILLEGAL_ADDRESS);
    assert_non_null(
        strstr(emu.emu_last_report(), outside ? "out of bounds: cublasLtMatmul: D, of 256 bytes"
                                              : "uninitialised: cublasLtMatmul: B has elements"));
    forget(&p);
    close_device();
  }
}

int main(void) {
  emu_load();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(products_are_right),
      cmocka_unit_test(products_are_refused),
      cmocka_unit_test(operands_are_of_one_type),
      cmocka_unit_test(captures_take_products_but_no_choice),
      cmocka_unit_test(tf32_is_seen),
      cmocka_unit_test(elements_are_looked_at),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
