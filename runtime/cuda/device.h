/* SPDX-License-Identifier: MIT */
/* A GPU as a device: kernels that NVRTC made, products of cuBLASLt, one after another on one
 * stream, and entries that run again and again as one graph. */
#ifndef TDC_CUDA_DEVICE_H
#define TDC_CUDA_DEVICE_H

#include "runtime/cpu/jit.h"
#include "runtime/device.h"

/* What a device turned out to be. */
typedef struct CudaInfo {
  char gpu[256];         /* "NVIDIA H100 80GB HBM3" */
  char compiler[64];     /* "NVRTC 13.0 for sm_90a" */
  const JitStats *stats; /* of its kernels, while it is open */
} CudaInfo;

/* For one session of the program, which must outlive it. NULL with TD_NO_TOOL and the name of
 * what is missing; with TD_IO_FAILED when the GPU has not the memory that the program needs. */
Device *cuda_device(const TdProgram *p, const JitOptions *o, CudaInfo *info, TdError *err);

#endif
