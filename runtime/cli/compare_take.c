/* SPDX-License-Identifier: MIT */
/* Everything that is measured of one model. See compare.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/ir/draws.h"
#include "runtime/cli/compare.h"
#include "runtime/train/evaluate.h"

enum {
  PROMPT_SHARE = 4, /* a prompt is a quarter of a text */
  GAP_SHARE = 16,   /* a gap a sixteenth, in the middle */
  NOISE_SHARE = 5   /* of a misleading prompt every fifth symbol is another */
};

/* One model while it is measured. */
typedef struct Taking {
  Cli *c;
  Comparison *k;
  Compared *m;
  Project *p;
  Session *s;
  const UnitSampler *sampler;
  const Dataset *data;
  Reference reference;
  Judge *judge;
  SampleRequest request;
  const char *text_param; /* the first text that the sampler takes, or NULL */
  int64_t width;
} Taking;

/* ---- likelihood ------------------------------------------------------------------------ */

static bool take_likelihood(Taking *t, uint64_t seed, int64_t batches, int at, TdError *err) {
  Feed feed = {0};
  Evaluation e;
  bool ok = feed_open(&feed, t->s, t->p->unit, "eval", t->p->data, err);
  if (ok) feed_valid_once(&feed);
  ok = ok && evaluate(&feed, seed, batches, t->c->stop, &e, err);
  int which = 0;
  for (int i = 1; ok && i < e.n && which == 0; i++) {
    const UnitMetric *u = unit_metric(t->p->unit, e.name[i]);
    if (u != NULL && u->claim != NULL) which = i;
  }
  if (ok) {
    const UnitMetric *u = unit_metric(t->p->unit, e.name[which]);
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
  return true;
}

static char *spelled(const Taking *t, const int32_t *ids, int64_t n) {
  StrBuf s = {0};
  SampleFrame f = {.ids = ids, .glyph = t->sampler->glyph};
  sample_spell(&t->data->vocabulary, &f, 0, n, &s);
  return s.s != NULL ? s.s : strdup("");
}

static bool take_texts(Taking *t, int at, TdError *err) {
  Texts x = {0};
  SampleCost cost;
  Measures m;
  bool ok = texts_sample(t->s, &t->request, t->k->samples, &x, &cost, err);
  if (ok && at == 0) {
    t->width = x.width;
    ok = reference_open(&t->reference, t->data, x.rows, x.width, err) && measure_real(t, err);
    for (int i = 0; ok && i < 2; i++) t->m->texts[i] = spelled(t, x.ids + i * x.width, x.width);
  }
  ok = ok && measure(&t->reference, &x, &m, err) &&
       (t->judge == NULL ||
        judge_texts(t->judge, &x, &t->data->vocabulary, &m.value[M_NEURAL], &m.neural_error, err));
  if (ok) {
    for (MeasureId id = 0; id < MEASURES; id++) t->m->value[id][at] = m.value[id];
    quarter_bits(t, &x, &t->m->value[R_QUARTER][at], MOST_SEEDS);
    t->m->copies = t->m->copies || measure_copies(&t->reference, &m);
    t->m->value[R_STEPS][at] = (double)cost.steps;
    t->m->value[R_SECONDS][at] = cost.seconds / (double)(cost.batches * cost.rows);
  }
  texts_free(&x);
  return ok;
}

/* ---- texts that are given a part ------------------------------------------------------- */

/* Symbols of the sampler's text; 0: it reads none. */
static int64_t room_of(const Taking *t) {
  static const char *const parts[] = {"init", "step", "emit"}, *const inputs[] = {"ids", "mask"};
  char entry[256], input[256];
  for (int i = 0; i < 6; i++) {
    snprintf(entry, sizeof entry, "sample.%.200s.%s", t->sampler->name, parts[i / 2]);
    snprintf(input, sizeof input, "%.200s.%s", t->text_param, inputs[i % 2]);
    int at = session_entry(t->s, entry);
    const TdBuffer *b = at >= 0 ? session_input(t->s, at, input) : NULL;
    if (b != NULL) return b->count;
  }
  return 0;
}

/* Texts that go on from `given` where keep[i]; *held: they do hold what was given. A byte that the
 * text has not stands for what is left open. Where the sampler's text has no room for what is
 * given, nothing is held. */
static bool go_on(Taking *t, const int32_t *given, const bool *keep, uint64_t seed, Texts *out,
                  bool *held, TdError *err) {
  StrBuf s = {0};
  bool used[256] = {false};
  char *all = spelled(t, given, t->width);
  for (const char *c = all; c != NULL && *c != '\0'; c++) used[(unsigned char)*c] = true;
  int hole = 1;
  while (hole < 127 && used[hole]) hole++;
  int64_t last = t->width;
  while (last > 0 && !keep[last - 1]) last--;
  for (int64_t i = 0; i < last; i++)
    if (keep[i])
      vocabulary_spell(&t->data->vocabulary, given[i], &s);
    else
      sb_putc(&s, (char)hole);
  *held = false;
  if (room_of(t) < last) {
    free(all);
    sb_free(&s);
    return true;
  }
  SampleRequest r = t->request;
  TdSetting settings[64];
  int n = min_of(r.nsettings, 63) > 0 ? (int)min_of(r.nsettings, 63) : 0;
  if (n > 0) memcpy(settings, r.settings, (size_t)n * sizeof *settings);
  settings[n] = (TdSetting){t->text_param, s.s != NULL ? s.s : ""};
  r.settings = settings;
  r.nsettings = n + 1;
  r.hole = (char)hole;
  r.filled = t->text_param;
  r.seed = seed;
  SampleCost cost;
  bool ok = texts_sample(t->s, &r, t->k->samples, out, &cost, err);
  *held = ok && out->width == t->width;
  for (int64_t row = 0; *held && row < out->rows; row++)
    for (int64_t i = 0; i < out->width; i++)
      if (keep[i] && out->ids[row * out->width + i] != given[i]) *held = false;
  free(all);
  sb_free(&s);
  return ok;
}

/* What follows a prompt, with a share of its symbols replaced: the judge looks at it from where
 * its n-grams reach no prompt any more. */
static bool take_continued(Taking *t, const int32_t *text, bool *keep, uint64_t seed, bool noise,
                           double *bits, TdError *err) {
  int64_t prompt = t->width / PROMPT_SHARE, from = prompt + MEASURE_ORDER - 1;
  int32_t *given = malloc((size_t)t->width * sizeof *given + 1);
  if (given == NULL) return td_fail_memory(err);
  memcpy(given, text, (size_t)t->width * sizeof *given);
  for (int64_t i = 0; i < t->width; i++) {
    keep[i] = i < prompt;
    if (noise && keep[i] &&
        draw_pick(seed, 0, draw_site("compare.noise"), (uint64_t)i, NOISE_SHARE) == 0)
      given[i] = t->reference.train.ids[draw_pick(seed, 0, draw_site("compare.symbol"), (uint64_t)i,
                                                  t->reference.train.width)];
  }
  Texts x = {0};
  bool held, ok = go_on(t, given, keep, seed, &x, &held, err);
  if (ok && held && from < t->width) ngram_bits(t->reference.judge, &x, from, t->width, bits, NULL);
  texts_free(&x);
  free(given);
  return ok;
}

/* How much of a gap in the middle is guessed; `both`: what stands behind it is given too. */
static bool take_gap(Taking *t, const int32_t *text, bool *keep, uint64_t seed, bool both,
                     double *share, TdError *err) {
  int64_t gap = t->width / GAP_SHARE > 0 ? t->width / GAP_SHARE : 1, from = (t->width - gap) / 2;
  for (int64_t i = 0; i < t->width; i++) keep[i] = i < from || (both && i >= from + gap);
  Texts x = {0};
  bool held, ok = go_on(t, text, keep, seed, &x, &held, err);
  int64_t right = 0;
  for (int64_t i = 0; ok && held && i < x.rows * gap; i++)
    right += x.ids[i / gap * x.width + from + i % gap] == text[from + i % gap];
  if (ok && held) *share = (double)right / (double)(x.rows * gap);
  texts_free(&x);
  return ok;
}

/* The rows of one held-out window; nothing is added where there is none. */
static bool take_window(Taking *t, const int32_t *text, bool *keep, uint64_t seed,
                        double sums[COMPARE_ROWS], TdError *err) {
  double one[COMPARE_ROWS];
  for (int row = R_CONTINUED; row <= R_BOTH; row++) one[row] = (double)NAN;
  bool ok = take_continued(t, text, keep, seed, false, &one[R_CONTINUED], err) &&
            take_continued(t, text, keep, seed, true, &one[R_MISLED], err) &&
            take_gap(t, text, keep, seed, false, &one[R_LEFT], err) &&
            take_gap(t, text, keep, seed, true, &one[R_BOTH], err);
  for (int row = R_CONTINUED; row <= R_BOTH; row++) sums[row] += one[row];
  return ok;
}

static bool take_given(Taking *t, int at, TdError *err) {
  if (t->text_param == NULL) return true;
  double sums[COMPARE_ROWS] = {0};
  int64_t windows = t->k->windows;
  int32_t *text = malloc((size_t)t->width * sizeof *text + 1);
  bool *keep = malloc((size_t)t->width + 1);
  bool ok = (text != NULL && keep != NULL) || td_fail_memory(err);
  for (int64_t w = 0; ok && w < windows; w++) {
    reference_valid_row(t->data, 1, at * windows + w, t->k->seeds * windows, t->width, text);
    ok = take_window(t, text, keep, texts_seed(t->request.seed, w), sums, err);
  }
  for (int row = R_CONTINUED; row <= R_BOTH; row++)
    t->m->value[row][at] = sums[row] / (double)windows;
  t->m->value[R_GAIN][at] = t->m->value[R_BOTH][at] - t->m->value[R_LEFT][at];
  free(text);
  free(keep);
  return ok;
}

/* ---- one model ------------------------------------------------------------------------- */

/* A seed has the weights at its place, where there are several. */
static bool take_weights(Taking *t, int at, TdError *err) {
  Compared *m = t->m;
  if (m->nweights < 2 || at == 0) return true;
  const char *path = m->weights[at % m->nweights];
  Checkpoint *w = weights_find(NULL, path, "", m->path, err);
  bool ok = w != NULL && weights_fit(t->p, w, err) && weights_restore(t->s, t->p->unit, w, err);
  checkpoint_close(w);
  return ok;
}

static bool take_seeds(Taking *t, uint64_t seed, int64_t batches, TdError *err) {
  const Unit *u = t->p->unit;
  size_t bytes = 0;
  td_program_memory(u->program, u->threads, &bytes);
  for (int at = 0; at < t->k->seeds; at++) {
    uint64_t own = seed + (uint64_t)at;
    t->request.seed = own;
    t->m->value[R_PARAMETERS][at] = (double)u->nweights;
    t->m->value[R_MEMORY][at] = (double)bytes / 1e6;
    if (!take_weights(t, at, err) || !take_likelihood(t, own, batches, at, err) ||
        !take_texts(t, at, err) || !take_given(t, at, err))
      return false;
    if (!t->c->quiet) fprintf(stderr, "%s: seed %d of %d\n", t->m->path, at + 1, t->k->seeds);
  }
  return true;
}

bool compare_take(Cli *c, Comparison *k, Compared *m, uint64_t seed, int64_t batches, Judge *judge,
                  int *code) {
  Other o;
  TdError err = {0};
  UnitOptions options = {.no_train = true, .no_models = true};
  bool ok = other_open(&o, c, m->path, m->nweights > 0 ? m->weights[0] : NULL, &options, "eval",
                       seed, code);
  Taking t = {.c = &o.c, .k = k, .m = m, .p = &o.p, .s = o.m.session, .judge = judge};
  if (ok && (t.sampler = cli_sampler(c, o.p.unit)) == NULL) {
    *code = TD_BAD_USAGE;
    ok = false;
  }
  if (ok && (t.data = data_store_find(o.p.data, t.sampler->data)) == NULL) {
    *code = cli_usage(c, "sampler %s belongs to no data: its texts have nothing to be held to",
                      t.sampler->name);
    ok = false;
  }
  TdSetting *settings = NULL;
  if (ok) {
    m->sampler = strdup(t.sampler->name);
    for (int i = t.sampler->nparams - 1; i >= 0; i--)
      if (t.sampler->params[i].kind == PARAM_TEXT) t.text_param = t.sampler->params[i].name;
    t.request =
        (SampleRequest){.sampler = t.sampler, .vocabulary = &t.data->vocabulary, .stop = c->stop};
    settings = cli_settings(c, t.sampler, &t.request.nsettings);
    t.request.settings = settings;
    *code = TD_BAD_USAGE;
    ok = t.request.nsettings >= 0;
    if (ok && !take_seeds(&t, seed, batches, &err)) {
      *code = cli_fail(c, &err);
      ok = false;
    }
    cli_settings_free(settings, t.request.nsettings);
  }
  reference_close(&t.reference);
  other_close(&o);
  return ok;
}
