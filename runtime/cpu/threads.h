/* SPDX-License-Identifier: MIT */
/* A pool of threads that share out numbered pieces of one job at a time. Which
 * thread runs a piece never changes what the piece computes, so results do not
 * depend on how many there are. The caller works too; idle workers spin
 * briefly, then sleep. */
#ifndef TDC_THREADS_H
#define TDC_THREADS_H

#include <stdint.h>

#include "runtime/system/error.h"

typedef struct Pool Pool;
/* threads: with the caller; 0 = as many as this process may use. */
Pool *pool_new(int threads, TdError *err);
void pool_free(Pool *p);
int pool_threads(const Pool *p);

/* `worker` is below pool_threads, the caller is 0; runs pieces begin .. end-1. */
typedef void PoolTask(void *ctx, int worker, int64_t begin, int64_t end);
/* Run all pieces; returns when they are done. Not to be nested. */
void pool_run(Pool *p, PoolTask *task, void *ctx, int64_t pieces);

/* CPUs this process may run on, by its affinity and its control group. */
int cpu_count(void);

#endif
