/* SPDX-License-Identifier: MIT */
/* Walking through an entry. */
#include "runtime/steps.h"

#include <stdlib.h>

#include "dsl/base.h"

int *steps_match(const TdEntry *e) {
  int *match = calloc((size_t)e->nsteps + 1, sizeof *match);
  int open[TD_MAX_LOOPS], depth = 0;
  for (int i = 0; match != NULL && i < e->nsteps; i++) {
    const TdStep *step = &e->steps[i];
    if (step->kind == TD_LOOP) {
      if (depth == TD_MAX_LOOPS || step->slot < 0 || step->slot >= TD_MAX_LOOPS)
        bug("%s: loops too deep", e->name);
      open[depth++] = i;
    } else if (step->kind == TD_END) {
      if (depth == 0) bug("%s: a loop ends that did not begin", e->name);
      match[i] = open[--depth];
      match[open[depth]] = i;
    }
  }
  if (depth != 0) bug("%s: a loop does not end", e->name);
  return match;
}

StepWalk steps_begin(const TdEntry *e, const int *match, TdOnce holds) {
  return (StepWalk){.entry = e, .match = match, .holds = holds, .at = -1};
}

int steps_next(StepWalk *w) {
  while (++w->at < w->entry->nsteps) {
    const TdStep *step = &w->entry->steps[w->at];
    bool skipped = step->once != TD_ANEW && step->once <= w->holds;
    switch (step->kind) {
    case TD_LAUNCH:
      if (!skipped) return w->at;
      break;
    case TD_LOOP:
      if (skipped || step->count < 1)
        w->at = w->match[w->at];
      else
        w->ix[step->slot] = step->reverse ? step->count - 1 : 0;
      break;
    case TD_END: {
      const TdStep *loop = &w->entry->steps[w->match[w->at]];
      int64_t *counter = &w->ix[loop->slot];
      *counter += loop->reverse ? -1 : 1;
      if (*counter >= 0 && *counter < loop->count) w->at = w->match[w->at];
      break;
    }
    }
  }
  return -1;
}
