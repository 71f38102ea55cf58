/* SPDX-License-Identifier: MIT */
/* What this machine can do at most: fused multiply-adds a second and bytes a
 * second, measured in a moment with kernels compiled like all others. */
#ifndef TDC_PEAK_H
#define TDC_PEAK_H

#include "runtime/cpu/jit.h"
#include "runtime/cpu/threads.h"

typedef struct Peak {
  double flops; /* single precision, all threads of the pool */
  double bytes; /* read and written by a copy */
  int lanes;    /* floats in a vector */
} Peak;

bool peak_measure(Pool *pool, const JitOptions *o, Peak *out, TdError *err);

#endif
