/* SPDX-License-Identifier: MIT */
/* Are numbers in the GPU's memory finite? A kernel of the runtime's own looks. */
#ifndef TDC_CUDA_FINITE_H
#define TDC_CUDA_FINITE_H

#include "runtime/cuda/gpu.h"
#include "runtime/cuda/kernels.h"
#include "runtime/device.h"

typedef struct Finite {
  const Gpu *gpu;
  CudaKernels *kernels; /* NULL: not made */
  CudaAddress found;    /* int [FINITE_ROWS]: what is not finite in each */
} Finite;

/* Rows of numbers that are looked at together. */
enum { FINITE_ROWS = 64 };

/* Its memory; the kernel is compiled when somebody looks. Zeros after a failure, which
 * finite_close takes too. */
CudaResult finite_open(Finite *f, const Gpu *gpu);
/* The kernel, as a program of its own. */
const TdProgram *finite_program(void);
bool finite_ready(Finite *f, const CubinCompiler *compiler, TdError *err);
/* Start looking at n rows, FINITE_ROWS at most. Then `found` has a number other than 0 for each
 * that is not finite. */
CudaResult finite_start(const Finite *f, const DeviceNumbers *all, int n);
void finite_close(Finite *f);

#endif
