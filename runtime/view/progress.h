/* SPDX-License-Identifier: MIT */
/* A training run on the terminal: one line that is drawn again, other lines
 * scrolling above it; plain lines now and then where there is no terminal. */
#ifndef TDC_PROGRESS_H
#define TDC_PROGRESS_H

#include <stdint.h>

#include "dsl/base.h"
#include "runtime/view/terminal.h"

typedef struct Progress {
  Terminal terminal;
  int64_t first, total; /* step it began at; the last step */
  double begin;         /* clock */
  bool quiet, drawn;
  double last_draw;
  double smooth; /* seconds a step, smoothed */
} Progress;

Progress progress_new(Terminal t, int64_t first, int64_t total, bool quiet);
/* `facts`: "loss 2.31  lr 1e-4"; `seconds` this step took. Draws at most ten
 * times a second, or, without a terminal, when `line` is set. */
void progress_step(Progress *p, int64_t step, double seconds, const char *facts, bool line);
/* A line that stays. */
void progress_say(Progress *p, const char *fmt, ...) TD_PRINTF(2, 3);
void progress_end(Progress *p);

#endif
