/* SPDX-License-Identifier: MIT */
/* Everything that is measured of one model. See compare.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cli/compare_taking.h"
#include "runtime/train/evaluate.h"

/* ---- likelihood ------------------------------------------------------------------------ */

static bool take_likelihood(Taking *t, uint64_t seed, int64_t batches, int at, TdError *err) {
  Feed feed = {0};
  Evaluation e;
  const Project *p = &t->score.p;
  bool ok = feed_open(&feed, t->score.m.session, p->unit, "eval", p->data, err);
  if (ok) feed_valid_once(&feed);
  ok = ok && evaluate(&feed, seed, batches, t->c->stop, &e, err);
  int which = 0;
  for (int i = 0; ok && i < e.n; i++)
    if (strcmp(e.name[i], compared_metric(p->unit)) == 0) which = i;
  if (ok) {
    const UnitMetric *u = unit_metric(p->unit, e.name[which]);
    t->m->value[R_LIKELIHOOD][at] = e.mean[which];
    if (at == 0) {
      t->m->likelihood_error = e.error[which];
      t->m->metric = strdup(e.name[which]);
      if (u != NULL && u->claim != NULL) t->m->claim = strdup(u->claim);
    }
  }
  feed_close(&feed);
  return ok;
}

/* ---- texts ----------------------------------------------------------------------------- */

static void quarter_bits(const Taking *t, const Texts *x, double *first, int stride) {
  for (int q = 0; q < QUARTERS; q++) {
    int64_t from = x->width * q / QUARTERS, to = x->width * (q + 1) / QUARTERS;
    if (to > from) ngram_bits(t->reference.judge, x, from, to, first + q * stride, NULL);
  }
}

static bool measure_real(Taking *t, TdError *err) {
  double *real = t->m->real;
  Measures *r = &t->reference.real;
  if (t->judge != NULL && !judge_texts(t->judge, &t->reference.valid, &t->data->vocabulary,
                                       &r->value[M_NEURAL], &r->neural_error, err))
    return false;
  memcpy(real, r->value, sizeof r->value);
  quarter_bits(t, &t->reference.valid, real + R_QUARTER, 1);
  real[R_DRIFT] = real[R_QUARTER + QUARTERS - 1] - real[R_QUARTER];
  return true;
}

/* Free texts, all together and one alone: their worth and what they take. */
static bool take_texts(Taking *t, int at, TdError *err) {
  Texts x = {0}, one = {0};
  SampleCost cost, own;
  Measures m;
  Rows *alone = taking_alone(t);
  double(*value)[MOST_SEEDS] = t->m->value;
  bool ok =
      texts_sample(t->many.other.m.session, &t->many.request, t->k->samples, &x, &cost, err) &&
      texts_sample(alone->other.m.session, &alone->request, 1, &one, &own, err);
  if (ok && at == 0) {
    t->width = x.width;
    ok = reference_open(&t->reference, t->data, x.rows, x.width, err) && measure_real(t, err);
    for (int i = 0; ok && i < 2; i++)
      t->m->texts[i] = taking_spelled(t, x.ids + i * x.width, x.width);
  }
  ok = ok && measure(&t->reference, &x, &m, err) &&
       (t->judge == NULL ||
        judge_texts(t->judge, &x, &t->data->vocabulary, &m.value[M_NEURAL], &m.neural_error, err));
  if (ok) {
    double rows = (double)(cost.batches * cost.rows), width = (double)x.width;
    for (MeasureId id = 0; id < MEASURES; id++) value[id][at] = m.value[id];
    quarter_bits(t, &x, &value[R_QUARTER][at], MOST_SEEDS);
    value[R_DRIFT][at] = value[R_QUARTER + QUARTERS - 1][at] - value[R_QUARTER][at];
    t->m->copies = t->m->copies || measure_copies(&t->reference, &m);
    value[R_STEPS][at] = (double)cost.steps;
    value[R_SECONDS][at] = cost.seconds / rows;
    value[R_CPU][at] = cost.cpu / rows;
    value[R_ROWS][at] = (double)cost.rows;
    value[R_SPEED][at] = width * rows / cost.seconds;
    if (own.rows == 1) { /* else there is no program of one row */
      value[R_ALONE][at] = own.seconds;
      value[R_CPU_ALONE][at] = own.cpu;
      value[R_SPEED_ALONE][at] = width / own.seconds;
    }
  }
  texts_free(&x);
  texts_free(&one);
  return ok;
}

/* ---- one model ------------------------------------------------------------------------- */

/* A seed has the weights at its place, where there are several. */
static bool take_weights(Taking *t, int at, TdError *err) {
  Compared *m = t->m;
  if (m->nweights < 2 || at == 0) return true;
  const char *path = m->weights[at % m->nweights];
  Checkpoint *w = weights_find(NULL, path, "", m->path, err);
  Other *const all[] = {&t->score, &t->many.other, &t->alone.other};
  bool ok = w != NULL && weights_fit(&t->many.other.p, w, err);
  for (int i = 0; ok && i < 2 + t->alone.open; i++)
    ok = weights_restore(all[i]->m.session, all[i]->p.unit, w, err);
  checkpoint_close(w);
  return ok;
}

static double megabytes(const Unit *u) {
  size_t bytes = 0;
  td_program_memory(u->program, u->threads, &bytes);
  return (double)bytes / 1e6;
}

static bool take_seed(Taking *t, int at, uint64_t seed, int64_t batches, TdError *err) {
  const Unit *u = t->many.other.p.unit;
  t->many.request.seed = t->alone.request.seed = seed;
  t->m->value[R_PARAMETERS][at] = (double)u->nweights;
  t->m->value[R_MEMORY][at] = megabytes(u);
  if (t->alone.open) t->m->value[R_MEMORY_ALONE][at] = megabytes(t->alone.other.p.unit);
  if (!take_weights(t, at, err)) return false;
  taking_begin(t, PART_LIKELIHOOD, at);
  if (!take_likelihood(t, seed, batches, at, err)) return false;
  compare_part_end(t->progress);
  taking_begin(t, PART_TEXTS, at);
  if (!take_texts(t, at, err)) return false;
  compare_part_end(t->progress);
  return compare_given(t, at, err);
}

/* The logs of its runs. */
static bool take_efforts(Taking *t, TdError *err) {
  Compared *m = t->m;
  const Unit *u = t->score.p.unit;
  const char *found = t->score.weights != NULL ? checkpoint_path(t->score.weights) : NULL;
  int n = m->nweights > 0 ? m->nweights : found != NULL;
  m->efforts = calloc((size_t)n + 1, sizeof *m->efforts);
  if (m->efforts == NULL) return td_fail_memory(err);
  for (; m->nefforts < n; m->nefforts++)
    if (!effort_read(&m->efforts[m->nefforts], m->nweights > 0 ? m->weights[m->nefforts] : found,
                     compared_metric(u), &u->train, err))
      return false;
  return true;
}

/* ---- its programs ---------------------------------------------------------------------- */

static bool open_rows(Taking *t, Rows *r, int64_t rows, uint64_t seed, const TdSetting *settings,
                      int nsettings, int *code) {
  UnitOptions options = {.no_train = true, .no_models = true, .no_eval = true};
  OtherAsk ask = {.path = t->m->path,
                  .weights = t->m->nweights > 0 ? t->m->weights[0] : NULL,
                  .unit = &options,
                  .seed = seed,
                  .rows = rows,
                  .defines = t->m->defines,
                  .ndefines = t->m->ndefines};
  r->open = true;
  if (!other_open(&r->other, t->c, &ask, code)) return false;
  const UnitSampler *s = cli_sampler(t->c, r->other.p.unit);
  if (s == NULL) {
    *code = TD_BAD_USAGE;
    return false;
  }
  const Dataset *d = data_store_find(r->other.p.data, s->data);
  if (d == NULL) {
    *code = cli_usage(t->c, "sampler %s belongs to no data: its texts have nothing to be held to",
                      s->name);
    return false;
  }
  r->request = (SampleRequest){.sampler = s,
                               .vocabulary = &d->vocabulary,
                               .settings = settings,
                               .nsettings = nsettings,
                               .stop = t->c->stop};
  TdError err = {0};
  char all[256];
  snprintf(all, sizeof all, "sample.%.200s.", s->name);
  if (session_need(r->other.m.session, (const char *const[]){all, NULL}, &err)) return true;
  *code = cli_fail(t->c, &err);
  return false;
}

/* All three programs. Warnings are told once. */
static bool open_all(Taking *t, uint64_t seed, TdSetting **settings, int *code) {
  bool quiet = t->c->quiet;
  int n = 0;
  if (!open_rows(t, &t->many, t->k->samples, seed, NULL, 0, code)) return false;
  const UnitSampler *s = t->many.request.sampler;
  *settings = cli_settings(t->c, s, &n);
  if (n < 0) {
    *code = TD_BAD_USAGE;
    return false;
  }
  t->many.request.settings = *settings;
  t->many.request.nsettings = n;
  t->data = data_store_find(t->many.other.p.data, s->data);
  t->m->sampler = strdup(s->name);
  for (int i = s->nparams - 1; i >= 0; i--)
    if (s->params[i].kind == PARAM_TEXT) t->text_param = s->params[i].name;
  t->c->quiet = true;
  UnitOptions options = {.no_train = true, .no_models = true, .no_samplers = true};
  OtherAsk ask = {.path = t->m->path,
                  .weights = t->m->nweights > 0 ? t->m->weights[0] : NULL,
                  .unit = &options,
                  .entry = "eval",
                  .seed = seed,
                  .defines = t->m->defines,
                  .ndefines = t->m->ndefines};
  bool ok = other_open(&t->score, t->c, &ask, code);
  if (ok && s->batch > 1) ok = open_rows(t, &t->alone, 1, seed, *settings, n, code);
  if (ok && t->alone.open && t->alone.request.sampler->batch != 1) { /* it has rows of its own */
    other_close(&t->alone.other);
    t->alone.open = false;
  }
  t->c->quiet = quiet;
  return ok;
}

bool compare_take(Cli *c, Comparison *k, Compared *m, CompareProgress *progress, uint64_t seed,
                  int64_t batches, Judge *judge, int *code) {
  TdError err = {0};
  TdSetting *settings = NULL;
  Taking t = {.c = c, .k = k, .m = m, .progress = progress, .judge = judge};
  taking_begin(&t, PART_OPEN, 0);
  bool ok = open_all(&t, seed, &settings, code);
  compare_part_end(progress);
  if (ok && !take_efforts(&t, &err)) {
    *code = cli_fail(c, &err);
    ok = false;
  }
  for (int at = 0; ok && at < k->seeds; at++) {
    if (take_seed(&t, at, seed + (uint64_t)at, batches, &err)) continue;
    compare_progress_clear(progress);
    *code = cli_fail(c, &err);
    ok = false;
  }
  cli_settings_free(settings, t.many.request.nsettings);
  reference_close(&t.reference);
  other_close(&t.alone.other);
  other_close(&t.many.other);
  other_close(&t.score);
  return ok;
}
