/* SPDX-License-Identifier: MIT */
/* Validation. */
#include "runtime/train/evaluate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Runs that a device may be ahead of who looks at their numbers; those that are started at once. */
enum { AHEAD = 16, TOGETHER = 8 };

/* Sums over parts, each of the weight of its windows. */
typedef struct Sums {
  double weight, weight_squares;
  double values[EVAL_VALUES], squares[EVAL_VALUES];
} Sums;

static void sums_add(Sums *s, const double *values, double weight, int n) {
  for (int i = 0; i < n; i++) {
    s->values[i] += weight * values[i];
    s->squares[i] += weight * values[i] * values[i];
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

/* Runs whose numbers were not read yet: one, or as many as a device may be ahead. */
typedef struct Pending {
  double weight[AHEAD], *values;
  int n;
} Pending;

static bool pending_open(Pending *p, Feed *f, int noutputs, TdError *err) {
  *p = (Pending){.values = calloc((size_t)noutputs * AHEAD + 1, sizeof *p->values)};
  if (p->values == NULL) return td_fail_memory(err);
  return !session_behind(f->session) || feed_series(f, AHEAD, TOGETHER, err);
}

static bool pending_read(Pending *p, const Feed *f, Sums *s, int n, TdError *err) {
  const TdEntry *e = &session_program(f->session)->entries[f->index];
  for (int i = 0; f->series == NULL && i < e->noutputs; i++)
    p->values[i] = session_scalar(f->session, f->index, e->outputs[i].name);
  if (f->series != NULL && !series_read(f->series, p->values, err)) return false;
  for (int k = 0; k < p->n; k++)
    sums_add(s, p->values + (size_t)k * (size_t)e->noutputs, p->weight[k], n);
  p->n = 0;
  return session_sync(f->session, err); /* else these are no numbers */
}

static bool run_parts(Feed *f, uint64_t seed, int64_t batches, const volatile sig_atomic_t *stop,
                      Pending *p, Sums *sums, Evaluation *out, TdError *err) {
  FeedPart part;
  for (int64_t b = 0; (batches == 0 || b < batches) && feed_valid_part(f, b, &part); b++) {
    if (stop != NULL && *stop != 0) {
      td_fail(err, TD_STOPPED, "stopped");
      if (err != NULL) err->signal = (int)*stop;
      return false;
    }
    if (!feed_valid(f, b, part, err)) return false;
    if (f->series != NULL)
      series_run(f->series, seed, b + 1, b > 0);
    else if (b > 0)
      session_run_again(f->session, f->index, seed, b + 1);
    else
      session_run(f->session, f->index, seed, b + 1);
    p->weight[p->n++] = part.count > 0 ? (double)part.count : 1;
    if ((f->series == NULL || series_full(f->series)) && !pending_read(p, f, sums, out->n, err))
      return false;
    out->batches++;
    out->windows +=
        part.count > 0 && f->rows_each > 0 ? f->rows / f->rows_each * part.count : f->rows;
  }
  return p->n == 0 || pending_read(p, f, sums, out->n, err);
}

bool evaluate(Feed *f, uint64_t seed, int64_t batches, const volatile sig_atomic_t *stop,
              Evaluation *out, TdError *err) {
  const TdEntry *e = &session_program(f->session)->entries[f->index];
  int64_t whole = feed_valid_batches(f);
  if (whole < 1)
    return td_fail(err, TD_BAD_FILE, "the validation part of the data is shorter than one window");
  if (!session_need_one(f->session, f->index, err)) return false;
  *out = (Evaluation){.n = e->noutputs < EVAL_VALUES ? e->noutputs : EVAL_VALUES};
  for (int i = 0; i < out->n; i++) out->name[i] = e->outputs[i].name;
  bool some = batches > 0 && batches <= whole;
  Sums sums = {0};
  Pending p;
  bool ok = pending_open(&p, f, e->noutputs, err) &&
            run_parts(f, seed, some ? batches : 0, stop, &p, &sums, out, err);
  free(p.values);
  if (ok) sums_mean(&sums, out);
  return ok;
}

double evaluation_of(const Evaluation *e, const char *name) {
  for (int i = 0; i < e->n; i++)
    if (strcmp(e->name[i], name) == 0) return e->mean[i];
  return (double)NAN;
}
