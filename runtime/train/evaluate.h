/* SPDX-License-Identifier: MIT */
/* Held-out data through the "eval" entry: the loss and every metric, as means
 * over batches with their standard errors. */
#ifndef TDC_EVALUATE_H
#define TDC_EVALUATE_H

#include <signal.h>

#include "runtime/data/feed.h"

enum { EVAL_VALUES = 32 };
typedef struct Evaluation {
  int n;
  const char *name[EVAL_VALUES]; /* "loss" first; borrowed from the program */
  double mean[EVAL_VALUES], error[EVAL_VALUES];
  int64_t batches, windows; /* runs, and the windows that were read, each once */
  int64_t symbols; /* that metrics counted which report them one by one, all there are; or 0 */
} Evaluation;

/* The same windows and the same draws each time, so that two evaluations
 * differ by the weights alone. batches = 0, or more than there are whole ones: every window
 * counts once, whatever the batch is. Which windows there are, the feed says (feed_valid_once). */
bool evaluate(Feed *f, uint64_t seed, int64_t batches, const volatile sig_atomic_t *stop,
              Evaluation *out, TdError *err);
/* The mean of a value by name; NaN when there is none. */
double evaluation_of(const Evaluation *e, const char *name);

#endif
