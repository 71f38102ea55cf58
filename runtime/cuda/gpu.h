/* SPDX-License-Identifier: MIT */
/* One GPU opened: its driver, its context, a stream, and what it is. */
#ifndef TDC_CUDA_GPU_H
#define TDC_CUDA_GPU_H

#include "runtime/cuda/library.h"

typedef struct Gpu {
  CudaDriver driver;
  CudaDevice device;
  CudaContext context; /* NULL: not opened */
  CudaStream stream;   /* everything happens on it */
  char name[256];
  int major, minor; /* compute capability */
  int processors;
  size_t memory;      /* bytes */
  size_t cache;       /* of it, the second level's; 0: not known */
  size_t shared_most; /* dynamic shared memory that a block can have */
} Gpu;

/* The first GPU that the driver shows. Closed in either case. */
bool gpu_open(Gpu *g, TdError *err);
/* What it is, without opening it: for who only wants to know. The driver stays open. */
bool gpu_look(Gpu *g, TdError *err);
/* Calls of this thread are for this GPU from now on. */
CudaResult gpu_enter(const Gpu *g);
/* Fill the error with what a call of the driver ended with, and return false. `doing` and the
 * GPU's name begin the message. */
bool gpu_fail(const Gpu *g, CudaResult r, const char *doing, TdError *err);
void gpu_close(Gpu *g);

#endif
