/* SPDX-License-Identifier: MIT */
/* As many texts of a sampler as are wanted, as symbols, and what they took. */
#ifndef TDC_TEXTS_H
#define TDC_TEXTS_H

#include "runtime/text/alphabet.h"
#include "runtime/train/sample.h"

typedef struct SampleCost {
  int64_t batches, rows; /* runs of the sampler, and rows that each of them computes */
  int64_t steps;         /* how often a run evaluates the network */
  double seconds;        /* of the clock, all runs; compiling them is not in it */
  double cpu;            /* of all processors */
} SampleCost;

/* Text i is row i % rows of run i / rows; seeds of the runs are those of `tdc sample`. */
bool texts_sample(Session *s, const SampleRequest *r, int64_t count, Texts *out, SampleCost *cost,
                  TdError *err);
/* The seed of a run. */
uint64_t texts_seed(uint64_t seed, int64_t run);

#endif
