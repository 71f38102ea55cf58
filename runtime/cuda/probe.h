/* SPDX-License-Identifier: MIT */
/* Kernels of the runtime's own, which look at what lies in the GPU's memory and put numbers of
 * tests there. They are compiled when somebody asks. */
#ifndef TDC_CUDA_PROBE_H
#define TDC_CUDA_PROBE_H

#include "runtime/cuda/gpu.h"
#include "runtime/cuda/kernels.h"
#include "runtime/device.h"

/* What may be looked at before somebody reads what was found. */
enum { PROBE_SLOTS = 64 };

typedef struct Probe {
  const Gpu *gpu;
  CudaKernels *kernels; /* NULL: not made */
  CudaAddress found;    /* int [PROBE_SLOTS]: other than 0 where something was found */
} Probe;

/* Its memory. Zeros after a failure, which probe_close takes too. */
CudaResult probe_open(Probe *p, const Gpu *gpu);
bool probe_ready(Probe *p, const CubinCompiler *compiler, TdError *err);
void probe_close(Probe *p);
/* The kernels, as a program. */
const TdProgram *probe_program(void);

/* ---- each of these starts something ------------------------------------------------------- */
CudaResult probe_forget(const Probe *p); /* nothing is found */
/* What is not finite is found. */
CudaResult probe_finite(const Probe *p, const DeviceNumbers *x, int slot);

/* Numbers of 2 or 4 bytes, with their strides in numbers. No two lie at one place. */
typedef struct ProbeMatrix {
  CudaAddress at;
  int bytes;
  int64_t batches, rows, columns;
  int64_t batch, row, column;
} ProbeMatrix;

/* These bits in the columns before `half`, others in the rest. */
CudaResult probe_fill(const Probe *p, const ProbeMatrix *m, int64_t half, uint32_t first,
                      uint32_t rest);
/* Numbers of other bits than these are found. */
CudaResult probe_differ(const Probe *p, const ProbeMatrix *m, uint32_t bits, int slot);

#endif
