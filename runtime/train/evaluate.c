/* SPDX-License-Identifier: MIT */
/* Validation. */
#include "runtime/train/evaluate.h"

#include <math.h>
#include <string.h>

/* Sums over parts, each of the weight of its windows. */
typedef struct Sums {
  double weight, weight_squares;
  double values[EVAL_VALUES], squares[EVAL_VALUES];
} Sums;

static void sums_add(Sums *s, const Feed *f, double weight, Evaluation *out) {
  const TdEntry *e = &session_program(f->session)->entries[f->index];
  for (int i = 0; i < out->n; i++) {
    double x = session_scalar(f->session, f->index, e->outputs[i].name);
    out->name[i] = e->outputs[i].name;
    s->values[i] += weight * x;
    s->squares[i] += weight * x * x;
  }
  s->weight += weight;
  s->weight_squares += weight * weight;
}

static void sums_mean(const Sums *s, Evaluation *out) {
  double n = s->weight * s->weight / s->weight_squares; /* parts, were they all alike */
  for (int i = 0; i < out->n; i++) {
    out->mean[i] = s->values[i] / s->weight;
    double variance = s->squares[i] / s->weight - out->mean[i] * out->mean[i];
    out->error[i] = n > 1 && variance > 0 ? sqrt(variance / (n - 1)) : 0;
  }
}

bool evaluate(Feed *f, uint64_t seed, int64_t batches, const volatile sig_atomic_t *stop,
              Evaluation *out, TdError *err) {
  const TdEntry *e = &session_program(f->session)->entries[f->index];
  int64_t whole = feed_valid_batches(f);
  if (whole < 1)
    return td_fail(err, TD_BAD_FILE, "the validation part of the data is shorter than one window");
  if (!session_need_one(f->session, f->index, err)) return false;
  *out = (Evaluation){.n = e->noutputs < EVAL_VALUES ? e->noutputs : EVAL_VALUES};
  bool some = batches > 0 && batches <= whole;
  Sums sums = {0};
  FeedPart part;
  for (int64_t b = 0; (!some || b < batches) && feed_valid_part(f, b, &part); b++) {
    if (stop != NULL && *stop != 0) {
      td_fail(err, TD_STOPPED, "stopped");
      if (err != NULL) err->signal = (int)*stop;
      return false;
    }
    if (!feed_valid(f, b, part, err)) return false;
    session_run(f->session, f->index, seed, b + 1);
    sums_add(&sums, f, part.count > 0 ? (double)part.count : 1, out);
    if (!session_sync(f->session, err)) return false; /* else these are no numbers */
    out->batches++;
    out->windows +=
        part.count > 0 && f->rows_each > 0 ? f->rows / f->rows_each * part.count : f->rows;
  }
  sums_mean(&sums, out);
  return true;
}

double evaluation_of(const Evaluation *e, const char *name) {
  for (int i = 0; i < e->n; i++)
    if (strcmp(e->name[i], name) == 0) return e->mean[i];
  return (double)NAN;
}
