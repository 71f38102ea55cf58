/* The rest of the prelude's first part: products of few rows, as a sampler has them where it makes
 * one symbol a turn. They take as long as B takes from memory, so that B is read where it lies, once
 * for all rows. */
#ifndef TD_PRELUDE_FEW
#define TD_PRELUDE_FEW

#ifndef TD_PRELUDE
#include "compiler/cpu/prelude.h"
#endif

/* ---- products of few rows -------------------------------------------------------------
 * C[m][n] = sum over k of A[m][k] * B[k][n]: a strip of columns has its sums in registers while k
 * runs. Sums of TD_FEW_DEPTH terms are added up in double precision, as those of rows are. */
enum { TD_FEW_ROWS = 8, TD_FEW_DEPTH = 128, TD_FEW_VECTORS = 4, TD_FEW_LEAST = 2 };
/* Rows of which TD_FEW_VECTORS vectors have room in the registers, else TD_FEW_LEAST. */
#if TD_LANES == 16
#define TD_FEW_WIDE 6
#else
#define TD_FEW_WIDE 2
#endif
typedef uint32_t TdFewPairs __attribute__((vector_size(4 * TD_LANES)));
typedef uint32_t TdFewPairsMem __attribute__((vector_size(4 * TD_LANES), aligned(2), may_alias));
typedef struct TdFewRows {
  int64_t      depth;
  const float *a;                /* element (m, k) at m a_row + k a_k */
  int64_t      a_row, a_k;
  const void  *b;                /* rows of columns, b_k numbers apart: floats, or bf16 */
  int64_t      b_k;
  int64_t      columns;          /* where there are fewer than two vectors, those before are read too */
  float       *c;                /* and written */
  int64_t      c_stride;
} TdFewRows;
/* Numbers in bf16 side by side: a word has two. Vectors are of those in its lower half, and of those
 * in its upper one. */
TD_INLINE void td_few_load(TdVec *x, const int vectors, const int half, const void *b, int64_t at) {
  if (half) {
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v += 2) {
      const TdFewPairs words = *(const TdFewPairsMem *)((const uint16_t *)b + at + v * TD_LANES);
      x[v] = (TdVec)(words << 16);
      x[v + 1] = (TdVec)(words & 0xffff0000u);
    }
  } else {
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) x[v] = td_load((const float *)b + at + v * TD_LANES);
  }
}
/* Sums in the order of columns. */
TD_INLINE void td_few_store(float *to, const int vectors, const int half, const float *sums) {
  for (int i = 0; i < vectors * TD_LANES && !half; i++) to[i] = sums[i];
  for (int v = 0; v < vectors && half; v += 2) {
    for (int i = 0; i < TD_LANES; i++) {
      to[v * TD_LANES + 2 * i] = sums[v * TD_LANES + i];
      to[v * TD_LANES + 2 * i + 1] = sums[(v + 1) * TD_LANES + i];
    }
  }
}
/* So many vectors of columns from j on. */
TD_INLINE void td_few_strip(const int rows, const int vectors, const int half, const TdFewRows *t, int64_t j) {
  enum { WIDTH = TD_FEW_VECTORS * TD_LANES };
  double total[TD_FEW_ROWS * WIDTH] __attribute__((aligned(64)));
  float part[TD_FEW_ROWS * WIDTH] __attribute__((aligned(64)));
  const int64_t a_k = t->a_k, b_k = t->b_k;
  const float *a[TD_FEW_ROWS];
#pragma GCC unroll 8
  for (int m = 0; m < rows; m++) a[m] = t->a + m * t->a_row;
  for (int m = 0; m < rows; m++) {
    for (int i = 0; i < vectors * TD_LANES; i++) total[m * WIDTH + i] = 0.0;
  }
  int64_t first = 0;
  do {
    const int64_t end = first + TD_FEW_DEPTH < t->depth ? first + TD_FEW_DEPTH : t->depth;
    TdVec sum[TD_FEW_ROWS][TD_FEW_VECTORS];
#pragma GCC unroll 8
    for (int m = 0; m < rows; m++) {
#pragma GCC unroll 4
      for (int v = 0; v < vectors; v++) sum[m][v] = (TdVec){ 0 };
    }
#pragma GCC unroll 2
    for (int64_t k = first; k < end; k++) {
      TdVec x[TD_FEW_VECTORS];
      td_few_load(x, vectors, half, t->b, k * b_k + j);
#pragma GCC unroll 8
      for (int m = 0; m < rows; m++) {
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) sum[m][v] += a[m][k * a_k] * x[v];
      }
    }
#pragma GCC unroll 8
    for (int m = 0; m < rows; m++) {
#pragma GCC unroll 4
      for (int v = 0; v < vectors; v++) td_store(part + m * WIDTH + v * TD_LANES, sum[m][v]);
    }
    if (t->depth <= TD_FEW_DEPTH) break;
    for (int m = 0; m < rows; m++) {
      double *const sums = total + m * WIDTH;
      const float *const more = part + m * WIDTH;
      for (int i = 0; i < vectors * TD_LANES; i++) sums[i] += more[i];
    }
    first = end;
  } while (first < t->depth);
  for (int m = 0; m < rows; m++) {
    float *const sums = part + m * WIDTH;
    for (int i = 0; i < vectors * TD_LANES && t->depth > TD_FEW_DEPTH; i++)
      sums[i] = (float)total[m * WIDTH + i];
    td_few_store(t->c + m * t->c_stride + j, vectors, half, sums);
  }
}
TD_INLINE void td_few_body(const int rows, const int half, const TdFewRows *t) {
  enum { WIDE = TD_FEW_VECTORS * TD_LANES, LEAST = TD_FEW_LEAST * TD_LANES };
  int64_t j = 0;
  if (rows <= TD_FEW_WIDE)
    for (; j + WIDE <= t->columns; j += WIDE) td_few_strip(rows, TD_FEW_VECTORS, half, t, j);
  for (; j < t->columns; j += LEAST)                         /* the last ones with some before them */
    td_few_strip(rows, TD_FEW_LEAST, half, t, j + LEAST <= t->columns ? j : t->columns - LEAST);
}
#define TD_FEW(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)
#define TD_FEW_NAMES(rows)                                                                \
  TD_SHARED void td_few_##rows(const TdFewRows *t);                                           \
  TD_SHARED void td_few_##rows##_half(const TdFewRows *t);
TD_FEW(TD_FEW_NAMES)
#ifndef TD_DECLARES
#define TD_FEW_OF(rows)                                                                   \
  TD_SHARED void td_few_##rows(const TdFewRows *t) { td_few_body(rows, 0, t); }               \
  TD_SHARED void td_few_##rows##_half(const TdFewRows *t) { td_few_body(rows, 1, t); }
TD_FEW(TD_FEW_OF)
#endif

#endif
