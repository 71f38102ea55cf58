/* SPDX-License-Identifier: MIT */
/* Validation. */
#include "runtime/train/evaluate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Runs that a device may be ahead of who looks at their numbers; those that are started at once. */
enum { AHEAD = 16, TOGETHER = 8 };

/* Sums of a value over parts, each of the weight of its windows. */
typedef struct Sum {
  double weight, weight_squares, values, squares;
  bool symbols; /* counts the last window, as far as it is new */
} Sum;

static void sum_add(Sum *s, double value, double weight) {
  s->values += weight * value;
  s->squares += weight * value * value;
  s->weight += weight;
  s->weight_squares += weight * weight;
}

static void sums_mean(const Sum *sums, Evaluation *out) {
  for (int i = 0; i < out->n; i++) {
    const Sum *s = &sums[i];
    double n = s->weight * s->weight / s->weight_squares; /* parts, were they all alike */
    out->mean[i] = s->values / s->weight;
    double variance = s->squares / s->weight - out->mean[i] * out->mean[i];
    out->error[i] = n > 1 && variance > 0 ? sqrt(variance / (n - 1)) : 0;
  }
}

/* Runs whose numbers were not read yet: one, or as many as a device may be ahead. */
typedef struct Pending {
  double weight[AHEAD], *values;
  bool last[AHEAD]; /* the window that overlaps the one before */
  int n;
} Pending;

static bool pending_open(Pending *p, Feed *f, int noutputs, TdError *err) {
  *p = (Pending){.values = calloc((size_t)noutputs * AHEAD + 1, sizeof *p->values)};
  if (p->values == NULL) return td_fail_memory(err);
  return !session_behind(f->session) || feed_series(f, AHEAD, TOGETHER, err);
}

static bool pending_read(Pending *p, const Feed *f, Sum *s, int n, TdError *err) {
  const TdEntry *e = &session_program(f->session)->entries[f->index];
  for (int i = 0; f->series == NULL && i < e->noutputs; i++)
    p->values[i] = session_scalar(f->session, f->index, e->outputs[i].name);
  if (f->series != NULL && !series_read(f->series, p->values, err)) return false;
  for (int k = 0; k < p->n; k++)
    for (int i = 0; i < n; i++)
      if (s[i].symbols || !p->last[k])
        sum_add(&s[i], p->values[(size_t)k * (size_t)e->noutputs + (size_t)i], p->weight[k]);
  p->n = 0;
  return session_sync(f->session, err); /* else these are no numbers */
}

static bool run_parts(Feed *f, uint64_t seed, int64_t batches, const volatile sig_atomic_t *stop,
                      Pending *p, Sum *sums, Evaluation *out, TdError *err) {
  FeedPart part;
  for (int64_t b = 0; (batches == 0 || b < batches) && feed_valid_part(f, b, &part); b++) {
    if (stop != NULL && *stop != 0) {
      td_fail(err, TD_STOPPED, "stopped");
      if (err != NULL) err->signal = (int)*stop;
      return false;
    }
    if (!feed_valid(f, b, part, err)) return false;
    if (f->series != NULL)
      series_run(f->series, seed, b + 1);
    else
      session_run(f->session, f->index, seed, b + 1);
    p->weight[p->n] = part.count > 0 ? (double)part.count : 1;
    if (part.from > 0) p->weight[p->n] = (double)(f->stride - part.from) / (double)f->stride;
    p->last[p->n++] = part.from > 0;
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
  bool some = batches > 0 && batches <= whole;
  Sum sums[EVAL_VALUES] = {{0}};
  for (int i = 0; i < out->n; i++) {
    const UnitMetric *m = unit_metric(f->unit, e->outputs[i].name);
    out->name[i] = e->outputs[i].name;
    sums[i].symbols = m != NULL && m->symbols > 0;
  }
  if (!some) out->symbols = feed_valid_symbols(f);
  Pending p;
  bool ok = pending_open(&p, f, e->noutputs, err) &&
            run_parts(f, seed, some ? batches : 0, stop, &p, sums, out, err);
  free(p.values);
  if (ok) sums_mean(sums, out);
  return ok;
}

double evaluation_of(const Evaluation *e, const char *name) {
  for (int i = 0; i < e->n; i++)
    if (strcmp(e->name[i], name) == 0) return e->mean[i];
  return (double)NAN;
}
