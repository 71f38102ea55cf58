/* SPDX-License-Identifier: MIT */
/* The product of two matrices, plainly: operands as f32, sums of 32 terms in f32 and their
 * sum in double. Every element that it touches lies in a live block and, where loads are
 * checked, was written. */
#include <stdlib.h>
#include <string.h>

#include "tests/cuda_emu/emu.h"
#include "tests/cuda_emu/product.h"

size_t type_bytes(int type) { return type == CUDA_R_32F ? 4 : type == CUDA_R_16BF ? 2 : 0; }

static float load(uintptr_t at, int type) {
  uint32_t u = 0;
  float x;
  memcpy(&u, (const void *)at, type_bytes(type));
  if (type == CUDA_R_16BF) u <<= 16;
  memcpy(&x, &u, 4);
  return x;
}

static void store(uintptr_t at, int type, float x) {
  uint32_t u;
  memcpy(&u, &x, 4);
  if (type == CUDA_R_16BF) u = x == x ? (u + 0x7fff + (u >> 16 & 1)) >> 16 : 0x7fff;
  memcpy((void *)at, &u, type_bytes(type));
}

size_t matrix_bytes(const Matrix *m, int64_t batches) {
  int64_t last = (m->rows - 1) * m->row + (m->cols - 1) * m->col + (batches - 1) * m->batch;
  return (size_t)(last + 1) * type_bytes(m->type);
}

static uintptr_t element(const Matrix *m, int64_t batch, int64_t i, int64_t j) {
  return m->at + (uintptr_t)(batch * m->batch + i * m->row + j * m->col) * type_bytes(m->type);
}

/* Every line of contiguous elements; false: some of them nobody wrote. */
static bool each_line(const Matrix *m, int64_t batches, bool write) {
  bool rows = m->col == 1; /* its rows are contiguous */
  int64_t lines = rows ? m->rows : m->cols;
  size_t bytes = (size_t)(rows ? m->cols : m->rows) * type_bytes(m->type);
  for (int64_t b = 0; b < batches; b++)
    for (int64_t i = 0; i < lines; i++) {
      uintptr_t at = element(m, b, rows ? i : 0, rows ? 0 : i);
      if (write)
        emu_written(at, bytes);
      else if (!emu_is_written(at, bytes))
        return false;
    }
  return true;
}

static bool check(const char *name, const Matrix *m, int64_t batches, bool read) {
  char why[160];
  if (!emu_holds(m->at, matrix_bytes(m, batches), why, sizeof why)) {
    emu_report("out of bounds", "cublasLtMatmul: %s, of %zu bytes: %s", name,
               matrix_bytes(m, batches), why);
    return false;
  }
  return !read || each_line(m, batches, false) ||
         !emu_report("uninitialised", "cublasLtMatmul: %s has elements that nobody wrote", name);
}

/* As f32, its rows contiguous. */
static void gather(const Matrix *m, int64_t batch, bool tf32, float *to) {
  for (int64_t i = 0; i < m->rows; i++)
    for (int64_t j = 0; j < m->cols; j++) {
      float x = load(element(m, batch, i, j), m->type);
      if (tf32 && m->type == CUDA_R_32F) {
        uint32_t u;
        memcpy(&u, &x, 4);
        u = (u + 0x1000) & 0xffffe000u;
        memcpy(&x, &u, 4);
      }
      to[i * m->cols + j] = x;
    }
}

enum { TERMS = 32 };

/* One row of the product: sums[n] of a[k] b[k][n]. */
static void row_sums(const float *a, const float *b, int64_t n, int64_t k, float *part,
                     double *sums) {
  memset(sums, 0, (size_t)n * sizeof *sums);
  for (int64_t from = 0; from < k; from += TERMS) {
    memset(part, 0, (size_t)n * sizeof *part);
    for (int64_t l = from; l < k && l < from + TERMS; l++)
      for (int64_t j = 0; j < n; j++) part[j] += a[l] * b[l * n + j];
    for (int64_t j = 0; j < n; j++) sums[j] += (double)part[j];
  }
}

static void run(const Product *p, float *a, float *b, float *part, double *sums) {
  int64_t m = p->d.rows, n = p->d.cols, k = p->a.cols, cut = k < 8 ? k / 2 : 4;
  for (int64_t batch = 0; batch < p->batches; batch++) {
    gather(&p->a, batch, p->tf32, a);
    gather(&p->b, batch, p->tf32, b);
    for (int64_t i = 0; i < m; i++) {
      row_sums(a + i * k, b, n, p->cut ? k - cut : k, part, sums);
      double bias = p->bias != 0
                        ? (double)load(p->bias + (size_t)i * type_bytes(p->bias_type), p->bias_type)
                        : 0;
      for (int64_t j = 0; j < n; j++) {
        double x = (double)p->alpha * sums[j] + bias;
        if (p->beta != 0.0f)
          x += (double)p->beta * (double)load(element(&p->c, batch, i, j), p->c.type);
        store(element(&p->d, batch, i, j), p->d.type, (float)x);
      }
    }
  }
}

CUresult product_run(void *product) {
  const Product *p = product;
  if (!check("A", &p->a, p->batches, true) || !check("B", &p->b, p->batches, true) ||
      !check("D", &p->d, p->batches, false) ||
      (p->beta != 0.0f && !check("C", &p->c, p->batches, true)))
    return CUDA_ERROR_ILLEGAL_ADDRESS;
  char why[160];
  if (p->bias != 0 &&
      !emu_holds(p->bias, (size_t)p->d.rows * type_bytes(p->bias_type), why, sizeof why)) {
    emu_report("out of bounds", "cublasLtMatmul: the bias: %s", why);
    return CUDA_ERROR_ILLEGAL_ADDRESS;
  }
  if (!emu_holds(p->workspace, p->workspace_bytes, why, sizeof why) && p->workspace_bytes > 0) {
    emu_report("out of bounds", "cublasLtMatmul: the workspace: %s", why);
    return CUDA_ERROR_ILLEGAL_ADDRESS;
  }
  if (p->workspace_used > 0) memset((void *)p->workspace, 0xee, p->workspace_used);
  float *a = malloc((size_t)(p->a.rows * p->a.cols) * sizeof *a);
  float *b = malloc((size_t)(p->b.rows * p->b.cols) * sizeof *b);
  float *part = malloc((size_t)p->d.cols * sizeof *part);
  double *sums = malloc((size_t)p->d.cols * sizeof *sums);
  bool ok = a != NULL && b != NULL && part != NULL && sums != NULL;
  if (ok) run(p, a, b, part, sums);
  if (p->slow) emu_took(10);
  if (ok) each_line(&p->d, p->batches, true);
  free(a), free(b), free(part), free(sums);
  return ok ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}
