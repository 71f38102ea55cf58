/* SPDX-License-Identifier: MIT */
/* What this machine can do at most: fused multiply-adds a second, in f32 and on factors in bf16,
 * and bytes a second, measured in a moment with kernels compiled like all others. */
#ifndef TDC_PEAK_H
#define TDC_PEAK_H

#include "runtime/cpu/jit.h"
#include "runtime/cpu/threads.h"

typedef struct Peak {
  double flops;        /* single precision, all threads of the pool */
  double narrow_flops; /* products of factors in bf16, summed in f32 */
  double bytes;        /* of memory, read and written: copied, or changed where it lies */
  double read;         /* of memory, only read: a core waits for that, and not for what it writes */
  int lanes;           /* floats in a vector */
  bool tiles;          /* bf16 is multiplied on tiles */
} Peak;

/* Seconds that so many operations take at least, `narrow` of them products of factors in bf16
 * (`split` 0 or 1) or, where there are tiles, of factors in f32 as the sum of `split` such. */
double peak_seconds(const Peak *p, double flops, double narrow, int split);

/* Seconds that so many bytes take at least, `read` of them read and the others written. */
double peak_traffic(const Peak *p, double bytes, double read);

bool peak_measure(Pool *pool, const JitOptions *o, Peak *out, TdError *err);

#endif
