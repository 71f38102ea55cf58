/* SPDX-License-Identifier: MIT */
/* From an entry's list of steps to its launches, one after another, with the loops
 * counted: for devices that launch. */
#ifndef TDC_STEPS_H
#define TDC_STEPS_H

#include "compiler/program/program.h"

/* For each TD_LOOP its TD_END, for each TD_END its TD_LOOP. malloc'ed; NULL when
 * memory is out. */
int *steps_match(const TdEntry *e);

typedef struct StepWalk {
  const TdEntry *entry;
  const int *match;
  TdOnce holds; /* steps marked so, or with less (but TD_ANEW), are left out */
  int at;
  int64_t ix[TD_MAX_LOOPS]; /* loop counters by slot, as they are at this launch */
} StepWalk;

StepWalk steps_begin(const TdEntry *e, const int *match, TdOnce holds);
/* The next launch's step; -1: there is none. */
int steps_next(StepWalk *w);

#endif
