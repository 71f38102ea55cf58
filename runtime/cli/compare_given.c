/* SPDX-License-Identifier: MIT */
/* Texts that go on from a part of a held-out one: prompts, clean and with noise, and gaps. One row
 * each, as all rows of a batch are given the same. See compare_taking.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compiler/ir/draws.h"
#include "runtime/cli/compare_taking.h"

enum {
  PROMPT_SHARE = 4, /* a prompt is a quarter of a text */
  GAP_SHARE = 16,   /* a gap a sixteenth, in the middle */
  FIRST = R_CONTINUED,
  LAST = R_BOTH
};

/* One held-out window. */
typedef struct Window {
  const int32_t *text; /* [width] */
  int32_t *given;      /* what the sampler is given of it, where keep[i] */
  bool *keep;
  uint64_t seed;
  double *values; /* [COMPARE_ROWS] */
} Window;

/* Symbols of the sampler's text; 0: it reads none. */
static int64_t room_of(const Taking *t, const Rows *r) {
  static const char *const parts[] = {"init", "step", "emit"}, *const inputs[] = {"ids", "mask"};
  const Session *s = r->other.m.session;
  char entry[256], input[256];
  for (int i = 0; i < 6; i++) {
    snprintf(entry, sizeof entry, "sample.%.200s.%s", r->request.sampler->name, parts[i / 2]);
    snprintf(input, sizeof input, "%.200s.%s", t->text_param, inputs[i % 2]);
    int at = session_entry(s, entry);
    const TdBuffer *b = at >= 0 ? session_input(s, at, input) : NULL;
    if (b != NULL) return b->count;
  }
  return 0;
}

/* The window's given symbols up to the last as a text. *hole stands for what is left open: a byte
 * that the text has not. */
static char *given_text(const Taking *t, const Window *w, int64_t last, char *hole) {
  StrBuf s = {0};
  bool used[256] = {false};
  char *all = taking_spelled(t, w->given, t->width);
  for (const char *c = all; c != NULL && *c != '\0'; c++) used[(unsigned char)*c] = true;
  free(all);
  *hole = 1;
  while (*hole < 127 && used[(unsigned char)*hole]) ++*hole;
  for (int64_t i = 0; i < last; i++)
    if (w->keep[i])
      vocabulary_spell(&t->data->vocabulary, w->given[i], &s);
    else
      sb_putc(&s, *hole);
  return s.s != NULL ? s.s : strdup("");
}

/* One text that goes on from what is given; *held: it does hold that. Where the sampler's text
 * has no room for it, nothing is held. */
static bool go_on(Taking *t, const Window *w, Texts *out, bool *held, TdError *err) {
  Rows *rows = taking_alone(t);
  int64_t last = t->width;
  while (last > 0 && !w->keep[last - 1]) last--;
  *held = false;
  *out = (Texts){0};
  if (room_of(t, rows) < last) return true;
  SampleRequest r = rows->request;
  char *text = given_text(t, w, last, &r.hole);
  TdSetting *settings = malloc((size_t)(r.nsettings + 1) * sizeof *settings);
  bool ok = (text != NULL && settings != NULL) || td_fail_memory(err);
  if (ok) {
    SampleCost cost;
    if (r.nsettings > 0) memcpy(settings, r.settings, (size_t)r.nsettings * sizeof *settings);
    settings[r.nsettings++] = (TdSetting){t->text_param, text};
    r.settings = settings;
    r.filled = t->text_param;
    r.seed = w->seed;
    ok = texts_sample(rows->other.m.session, &r, 1, out, &cost, err);
  }
  *held = ok && out->width == t->width;
  for (int64_t i = 0; *held && i < out->width; i++)
    if (w->keep[i] && out->ids[i] != w->given[i]) *held = false;
  free(settings);
  free(text);
  return ok;
}

/* Of the first `n` symbols `wrong` are others, as frequent as in the text: the same ones whenever
 * as many or more are wrong. */
static void put_noise(const Taking *t, const Window *w, int64_t n, int64_t wrong) {
  for (int64_t i = 0; i < n; i++) {
    int64_t before = 0;
    double own = draw_uniform(w->seed, 0, draw_site("compare.noise"), (uint64_t)i);
    for (int64_t j = 0; j < n; j++)
      before += draw_uniform(w->seed, 0, draw_site("compare.noise"), (uint64_t)j) < own;
    if (before >= wrong) continue;
    w->given[i] = t->reference.train.ids[draw_pick(w->seed, 0, draw_site("compare.symbol"),
                                                   (uint64_t)i, t->reference.train.width)];
  }
}

/* What follows a prompt, of whose symbols this share was replaced. The judge looks at it from where
 * its n-grams reach no prompt any more: at all of it, or at its two halves apart, for `row` and the
 * next. */
static bool take_continued(Taking *t, const Window *w, double noise, int row, bool halves,
                           TdError *err) {
  int64_t prompt = t->width / PROMPT_SHARE, from = prompt + MEASURE_ORDER - 1;
  int64_t wrong = (int64_t)(noise * (double)prompt + 0.5);
  if (from >= t->width) return true;
  memcpy(w->given, w->text, (size_t)t->width * sizeof *w->given);
  for (int64_t i = 0; i < t->width; i++) w->keep[i] = i < prompt;
  if (noise > 0) put_noise(t, w, prompt, wrong > 0 ? wrong : 1);
  Texts x = {0};
  bool held, ok = go_on(t, w, &x, &held, err);
  int64_t middle = halves ? (from + t->width) / 2 : t->width;
  const Ngram *judge = t->reference.judge;
  if (ok && held && middle > from) ngram_bits(judge, &x, from, middle, &w->values[row], NULL);
  if (ok && held && halves) ngram_bits(judge, &x, middle, t->width, &w->values[row + 1], NULL);
  texts_free(&x);
  return ok;
}

/* How much of a gap in the middle is guessed; `both`: what stands behind it is given too. */
static bool take_gap(Taking *t, const Window *w, bool both, double *share, TdError *err) {
  int64_t gap = t->width / GAP_SHARE > 0 ? t->width / GAP_SHARE : 1, from = (t->width - gap) / 2;
  memcpy(w->given, w->text, (size_t)t->width * sizeof *w->given);
  for (int64_t i = 0; i < t->width; i++) w->keep[i] = i < from || (both && i >= from + gap);
  Texts x = {0};
  bool held, ok = go_on(t, w, &x, &held, err);
  int64_t right = 0;
  for (int64_t i = from; ok && held && i < from + gap; i++) right += x.ids[i] == w->text[i];
  if (ok && held) *share = (double)right / (double)gap;
  texts_free(&x);
  return ok;
}

static bool take_one(Taking *t, const Window *w, int which, TdError *err) {
  switch (which) {
  case 0: return take_continued(t, w, 0, R_CONTINUED, false, err);
  case 1: return take_continued(t, w, 0.05, R_NOISE5, false, err);
  case 2: return take_continued(t, w, 0.1, R_NOISE10, false, err);
  case 3: return take_continued(t, w, 0.2, R_NOISE20, false, err);
  case 4: return take_continued(t, w, 1, R_LOST, true, err);
  case 5: return take_gap(t, w, false, &w->values[R_LEFT], err);
  default: return take_gap(t, w, true, &w->values[R_BOTH], err);
  }
}

/* The held-out text itself where what follows a prompt is judged. */
static void take_real(Taking *t, const int32_t *text, double *sum) {
  int64_t from = t->width / PROMPT_SHARE + MEASURE_ORDER - 1;
  double bits = (double)NAN;
  Texts x = {(int32_t *)text, 1, t->width};
  if (from < t->width) ngram_bits(t->reference.judge, &x, from, t->width, &bits, NULL);
  *sum += bits;
}

static bool take_windows(Taking *t, int at, Window *w, int32_t *text, double *sums, TdError *err) {
  int64_t windows = t->k->windows;
  double real = 0;
  for (int64_t i = 0; i < windows; i++) {
    reference_valid_row(t->data, 1, at * windows + i, t->k->seeds * windows, t->width, text);
    w->seed = texts_seed(taking_alone(t)->request.seed, i);
    for (int row = FIRST; row <= LAST; row++) w->values[row] = (double)NAN;
    take_real(t, text, &real);
    for (int which = 0; which < GIVEN_TEXTS; which++) {
      taking_begin(t, PART_GIVEN, at);
      if (!take_one(t, w, which, err)) return false;
      compare_part_end(t->progress);
    }
    for (int row = FIRST; row <= LAST; row++) sums[row] += w->values[row];
  }
  for (int row = FIRST; row <= LAST; row++) t->m->value[row][at] = sums[row] / (double)windows;
  double *all = &t->m->real[R_CONTINUED]; /* of all seeds */
  *all = ((at > 0 ? *all * at : 0) + real / (double)windows) / (at + 1);
  return true;
}

bool compare_given(Taking *t, int at, TdError *err) {
  if (t->text_param == NULL) return true;
  size_t n = (size_t)t->width;
  double sums[COMPARE_ROWS] = {0}, values[COMPARE_ROWS];
  int32_t *text = malloc(n * sizeof *text + 1);
  Window w = {.text = text,
              .given = malloc(n * sizeof *w.given + 1),
              .keep = malloc(n + 1),
              .values = values};
  bool ok = (text != NULL && w.given != NULL && w.keep != NULL) || td_fail_memory(err);
  ok = ok && take_windows(t, at, &w, text, sums, err);
  if (ok) {
    double(*value)[MOST_SEEDS] = t->m->value;
    value[R_GAIN][at] = value[R_BOTH][at] - value[R_LEFT][at];
    value[R_RISE][at] = value[R_NOISE20][at] - value[R_CONTINUED][at];
  }
  free(text);
  free(w.given);
  free(w.keep);
  return ok;
}
