/* SPDX-License-Identifier: MIT */
/* Texts in the place of held-out ones. See judge.h. */
#include "runtime/train/judge.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/train/evaluate.h"

/* The input of text that feeds the evaluation; NULL unless there is one alone. */
static const UnitInput *input_of(const Unit *u) {
  const UnitEntry *e = unit_entry(u, "eval");
  const UnitInput *found = NULL;
  for (int i = 0; e != NULL && i < e->ninputs; i++) {
    if (e->inputs[i].data == NULL) continue;
    if (found != NULL) return NULL;
    found = &e->inputs[i];
  }
  return found;
}

bool judge_open(Judge *j, Session *s, const Unit *u, DataStore *data, TdError *err) {
  *j = (Judge){.session = s, .unit = u, .data = data};
  for (int i = 0; i < u->nmetrics && j->metric == NULL; i++)
    if (u->metrics[i].claim != NULL && strcmp(u->metrics[i].claim, "exact") == 0)
      j->metric = &u->metrics[i];
  if (j->metric == NULL)
    return td_fail(err, TD_BAD_FILE,
                   "%s cannot judge: none of its metrics is `exact`: metric NAME(...) exact { }",
                   u->path);
  return input_of(u) != NULL ||
         td_fail(err, TD_BAD_FILE, "%s cannot judge: its loss does not take one text", u->path);
}

/* The judge's number of each symbol of v, -1 where it has none; malloc'ed. */
static int32_t *numbers_of(const Vocabulary *judge, const Vocabulary *v, TdError *err) {
  int32_t *out = malloc((size_t)v->size * sizeof *out + 1);
  if (out == NULL) td_fail_memory(err);
  for (int64_t i = 0; out != NULL && i < v->size; i++) {
    StrBuf s = {0};
    vocabulary_spell(v, i, &s);
    if (vocabulary_read(judge, (const uint8_t *)s.s, s.n, &out[i]) != s.n) out[i] = -1;
    sb_free(&s);
  }
  return out;
}

static void put_token(void *tokens, int64_t i, int width, int32_t id) {
  if (width == 1)
    ((uint8_t *)tokens)[i] = (uint8_t)id;
  else if (width == 2)
    ((uint16_t *)tokens)[i] = (uint16_t)id;
  else
    ((int32_t *)tokens)[i] = id;
}

/* All rows as the judge's tokens, a line's end before each; malloc'ed. */
static void *tokens_of(const Dataset *d, const Texts *t, const Vocabulary *v, TdError *err) {
  int width = vocabulary_width(&d->vocabulary);
  int32_t end = 0;
  int32_t *number = numbers_of(&d->vocabulary, v, err);
  void *out = number != NULL ? malloc((size_t)(t->rows * (t->width + 1)) * (size_t)width) : NULL;
  if (number != NULL && out == NULL) td_fail_memory(err);
  vocabulary_read(&d->vocabulary, (const uint8_t *)"\n", 1, &end);
  for (int64_t i = 0, to = 0; out != NULL && i < t->rows * t->width; i++) {
    bool symbol = t->ids[i] >= 0 && t->ids[i] < v->size;
    int32_t id = symbol ? number[t->ids[i]] : end; /* a place left open is a gap */
    if (i % t->width == 0) put_token(out, to++, width, end);
    put_token(out, to++, width, id);
    if (id >= 0) continue;
    StrBuf s = {0};
    vocabulary_spell(v, t->ids[i], &s);
    td_fail(err, TD_BAD_FILE, "the judge's text has no '%s'", s.s != NULL ? s.s : "");
    sb_free(&s);
    free(out);
    out = NULL;
  }
  free(number);
  return out;
}

static bool judged(Judge *j, double *mean, double *error, TdError *err) {
  Feed feed = {0};
  Evaluation e;
  bool ok = feed_open(&feed, j->session, j->unit, "eval", j->data, err) &&
            evaluate(&feed, 0, 0, NULL, &e, err);
  for (int i = 0; ok && i < e.n; i++) {
    if (strcmp(e.name[i], j->metric->name) != 0) continue;
    *mean = e.mean[i];
    *error = e.error[i];
  }
  feed_close(&feed);
  return ok;
}

bool judge_texts(Judge *j, const Texts *t, const Vocabulary *v, double *mean, double *error,
                 TdError *err) {
  const UnitInput *in = input_of(j->unit);
  Dataset *d = data_store_find(j->data, in->data);
  int64_t window = in->shape[in->rank - 1], count = t->rows * (t->width + 1);
  *mean = *error = (double)NAN;
  if (count < window)
    return td_fail(err, TD_BAD_FILE,
                   "the judge reads %" PRId64 " symbols at once, and these texts are %" PRId64,
                   window, count);
  Dataset own = *d;
  void *tokens = tokens_of(d, t, v, err);
  if (tokens == NULL) return false;
  d->tokens = tokens;
  d->count = count;
  d->train = 0;
  bool ok = judged(j, mean, error, err);
  *d = own;
  free(tokens);
  return ok;
}

bool judge_writes(Judge *j, double temperature, uint64_t seed, int64_t rows, int64_t width,
                  const Vocabulary *v, Texts *out, bool *have, TdError *err) {
  char value[32];
  snprintf(value, sizeof value, "%g", temperature);
  const TdSetting setting = {"temperature", value};
  SampleRequest r = {.settings = &setting, .nsettings = 1, .seed = seed};
  for (int i = 0; i < j->unit->nsamplers && r.sampler == NULL; i++) {
    TdError ignored = {0};
    int64_t steps;
    SampleRequest one = r;
    one.sampler = &j->unit->samplers[i];
    const Dataset *d =
        one.sampler->data != NULL ? data_store_find(j->data, one.sampler->data) : NULL;
    if (d == NULL || one.sampler->window != width || !sample_check(&one, &steps, &ignored))
      continue;
    r = one;
    r.vocabulary = &d->vocabulary;
  }
  *have = false;
  *out = (Texts){0};
  if (r.sampler == NULL) return true;
  int32_t *number = numbers_of(v, r.vocabulary, err);
  SampleCost cost;
  bool ok = number != NULL && texts_sample(j->session, &r, rows, out, &cost, err);
  *have = ok;
  for (int64_t i = 0; ok && i < rows * width; i++) {
    bool symbol = out->ids[i] >= 0 && out->ids[i] < r.vocabulary->size;
    out->ids[i] = symbol ? number[out->ids[i]] : -1;
    *have = *have && out->ids[i] >= 0;
  }
  free(number);
  return ok;
}
