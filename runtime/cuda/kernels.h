/* SPDX-License-Identifier: MIT */
/* A program's kernels on a GPU: compiled and loaded for the entries that are about to
 * run, and no others. The device's context is current in every call. */
#ifndef TDC_CUDA_KERNELS_H
#define TDC_CUDA_KERNELS_H

#include "runtime/cuda/compile.h"

typedef struct CudaKernels CudaKernels;

/* shared_most: bytes of dynamic shared memory that a block can have. Everything that the
 * compiler and the pointers refer to must outlive it. NULL when memory is out. */
CudaKernels *cuda_kernels_new(const TdProgram *p, const CudaDriver *driver,
                              const CubinCompiler *compiler, size_t shared_most, TdError *err);
/* Make the kernels of these entries, unless they were made before. After a failure it can
 * be tried again. */
bool cuda_kernels_need(CudaKernels *k, const int *entries, int n, TdError *err);
bool cuda_kernels_has(const CudaKernels *k, int entry);
CudaFunction cuda_kernels_function(const CudaKernels *k,
                                   int kernel); /* of an entry that was made */
const JitStats *cuda_kernels_stats(const CudaKernels *k);
void cuda_kernels_free(CudaKernels *k);

#endif
