/* SPDX-License-Identifier: MIT */
#ifndef TDC_CUDA_EMU_PRODUCT_H
#define TDC_CUDA_EMU_PRODUCT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/cuda_emu/api.h"

/* A matrix in the device's memory; what is beside it is nobody's. */
typedef struct Matrix {
  uintptr_t at;
  int type;                /* CUDA_R_32F, CUDA_R_16BF */
  int64_t rows, cols;      /* as it is read, after a transposition */
  int64_t row, col, batch; /* strides, in elements */
} Matrix;

/* d = alpha a b + beta c (+ bias by row), for each of a batch. */
typedef struct Product {
  Matrix a, b, c, d;
  uintptr_t bias; /* or 0 */
  int bias_type;
  int64_t batches;
  float alpha, beta;
  bool tf32; /* ten bits of an f32 operand's fraction count */
  bool cut;  /* the last terms of each sum are left out */
  bool slow; /* it takes ten seconds longer, by the device's clock */
  uintptr_t workspace;
  size_t workspace_bytes, workspace_used; /* used: by the algorithm */
} Product;

size_t type_bytes(int type); /* 0: no such type */
/* Of one matrix of the batch: bytes from its first to behind its last element. */
size_t matrix_bytes(const Matrix *m, int64_t batches);
/* What is wrong was reported. Takes a Product. */
CUresult product_run(void *product);

#endif
