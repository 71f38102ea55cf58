/* SPDX-License-Identifier: MIT */
/* Validation. */
#include "runtime/train/evaluate.h"

#include <math.h>
#include <string.h>

bool evaluate(Feed *f, uint64_t seed, int64_t batches, const volatile sig_atomic_t *stop,
              Evaluation *out, TdError *err) {
  const TdEntry *e = &session_program(f->session)->entries[f->index];
  int64_t whole = feed_valid_batches(f);
  if (whole < 1)
    return td_fail(err, TD_BAD_FILE, "the validation part of the data is shorter than one window");
  if (!session_need_one(f->session, f->index, err)) return false;
  *out = (Evaluation){.batches = batches > 0 && batches < whole ? batches : whole};
  double squares[EVAL_VALUES] = {0};
  out->n = e->noutputs < EVAL_VALUES ? e->noutputs : EVAL_VALUES;
  out->windows = out->batches * f->rows;
  for (int64_t b = 0; b < out->batches; b++) {
    if (stop != NULL && *stop != 0) {
      td_fail(err, TD_STOPPED, "stopped");
      if (err != NULL) err->signal = (int)*stop;
      return false;
    }
    if (!feed_valid(f, b, err)) return false;
    session_run(f->session, f->index, seed, b + 1);
    for (int i = 0; i < out->n; i++) {
      double x = session_scalar(f->session, f->index, e->outputs[i].name);
      out->name[i] = e->outputs[i].name;
      out->mean[i] += x;
      squares[i] += x * x;
    }
    if (!session_sync(f->session, err)) return false; /* else these are no numbers */
  }
  double n = (double)out->batches;
  for (int i = 0; i < out->n; i++) {
    out->mean[i] /= n;
    double variance = squares[i] / n - out->mean[i] * out->mean[i];
    out->error[i] = n > 1 && variance > 0 ? sqrt(variance / (n - 1)) : 0;
  }
  return true;
}

double evaluation_of(const Evaluation *e, const char *name) {
  for (int i = 0; i < e->n; i++)
    if (strcmp(e->name[i], name) == 0) return e->mean[i];
  return (double)NAN;
}
