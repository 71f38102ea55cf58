/* SPDX-License-Identifier: MIT */
/* The controls, and how they rank. See controls.h. */
#include "runtime/text/controls.h"

#include <string.h>

#include "compiler/ir/draws.h"

const ControlKind control_kinds[CONTROLS_ALL] = {
    [C_VALIDATION] = {"validation", "validation text"},
    [C_NOISE5] = {"noise5", "it with 5% noise"},
    [C_NOISE10] = {"noise10", "it with 10% noise"},
    [C_SHUFFLED] = {"shuffled", "its words shuffled"},
    [C_REPEATED] = {"repeated", "one line repeated"},
    [C_TRAINING] = {"training", "training text"},
    [C_8GRAM] = {"8gram", "8-gram"},
    [C_5GRAM] = {"5gram", "5-gram"},
    [C_3GRAM] = {"3gram", "3-gram"},
    [C_UNIGRAM] = {"unigram", "unigram"},
    [C_COLD] = {"cold", "a model at T = 0.3"},
    [C_UNTRAINED] = {"untrained", "untrained net"},
};

const Demand control_demands[] = {
    {C_VALIDATION, C_NOISE5},    {C_NOISE5, C_NOISE10},      {C_VALIDATION, C_SHUFFLED},
    {C_SHUFFLED, C_UNIGRAM},     {C_VALIDATION, C_5GRAM},    {C_5GRAM, C_3GRAM},
    {C_3GRAM, C_UNIGRAM},        {C_VALIDATION, C_REPEATED}, {C_3GRAM, C_UNTRAINED},
    {C_VALIDATION, C_UNTRAINED}, {C_VALIDATION, C_COLD},     {C_UNTRAINED, C_UNTRAINED},
};

static void noise(const Reference *r, Texts *t, uint64_t seed, double share) {
  uint32_t whether = draw_site("control.noise"), which = draw_site("control.symbol");
  for (int64_t i = 0; i < t->rows * t->width; i++)
    if (draw_uniform(seed, 0, whether, (uint64_t)i) < share)
      t->ids[i] = r->train.ids[draw_pick(seed, 0, which, (uint64_t)i, r->train.width)];
}

static void grams(const Reference *r, Texts *t, uint64_t seed, int n) {
  uint32_t site = draw_site("control.gram");
  for (int64_t i = 0; i < t->rows * t->width; i++)
    t->ids[i] = ngram_draw(r->judge, t->ids + i - i % t->width, i % t->width, n - 1,
                           draw_uniform(seed, (uint64_t)n, site, (uint64_t)i));
}

/* One row's words take each other's places; what stands between them stays. */
static bool shuffle(const Reference *r, int32_t *row, int64_t width, int64_t number, uint64_t seed,
                    TdError *err) {
  Texts words = {0}, mixed = {0}, order = {0};
  bool ok = texts_new(&words, width, 2, err) && texts_new(&mixed, 1, width, err);
  int64_t n = 0, to = 0;
  for (int64_t i = 0; ok && i < width; i++) {
    if (!alphabet_is_letter(&r->alphabet, row[i])) continue;
    words.ids[2 * n] = (int32_t)i;
    while (i < width && alphabet_is_letter(&r->alphabet, row[i])) i++;
    words.ids[2 * n++ + 1] = (int32_t)i;
  }
  ok = ok && texts_new(&order, 1, n, err);
  for (int64_t i = 0; ok && i < n; i++) order.ids[i] = (int32_t)i;
  for (int64_t i = n - 1; ok && i > 0; i--) {
    int64_t k = draw_pick(seed, (uint64_t)number, draw_site("control.shuffle"), (uint64_t)i, i + 1);
    int32_t swap = order.ids[i];
    order.ids[i] = order.ids[k];
    order.ids[k] = swap;
  }
  for (int64_t i = 0, word = 0; ok && i < width;) {
    if (word == n || i < words.ids[2 * word]) {
      mixed.ids[to++] = row[i++];
      continue;
    }
    const int32_t *from = words.ids + 2 * (int64_t)order.ids[word];
    for (int32_t k = from[0]; k < from[1]; k++) mixed.ids[to++] = row[k];
    i = words.ids[2 * word++ + 1];
  }
  if (ok) memcpy(row, mixed.ids, (size_t)width * sizeof *row);
  texts_free(&words);
  texts_free(&order);
  texts_free(&mixed);
  return ok;
}

/* The first whole line of some length, or as many symbols, over and over. */
static void repeat(const Reference *r, Texts *t) {
  enum { LEAST = 16, MOST = 48 };
  int64_t size = t->rows * t->width, begin = 0, n = min_of(LEAST, t->width), from = 0;
  for (int64_t i = 0; i < size; i++) {
    if (i % t->width == 0) from = -1;
    if (t->ids[i] != r->alphabet.newline) continue;
    int64_t line = from >= 0 ? i + 1 - from : 0;
    from = i + 1;
    if (line < LEAST || line > MOST) continue;
    begin = i + 1 - line;
    n = line;
    break;
  }
  int32_t line[MOST];
  memcpy(line, t->ids + begin, (size_t)n * sizeof *line);
  for (int64_t i = 0; i < size; i++) t->ids[i] = line[i % t->width % n];
}

static void training(const Reference *r, Texts *t, uint64_t seed) {
  for (int64_t i = 0; i < t->rows; i++) {
    int64_t at =
        draw_pick(seed, 0, draw_site("control.window"), (uint64_t)i, r->train.width - t->width + 1);
    memcpy(t->ids + i * t->width, r->train.ids + at, (size_t)t->width * sizeof *t->ids);
  }
}

bool control_make(const Reference *r, const Dataset *d, ControlId id, uint64_t seed, Texts *out,
                  TdError *err) {
  if (!texts_new(out, r->valid.rows, r->valid.width, err)) return false;
  for (int64_t i = 0; i < out->rows; i++)
    reference_valid_row(d, 1, i, out->rows, out->width, out->ids + i * out->width);
  switch (id) {
  case C_VALIDATION: break;
  case C_NOISE5: noise(r, out, seed, 0.05); break;
  case C_NOISE10: noise(r, out, seed, 0.1); break;
  case C_REPEATED: repeat(r, out); break;
  case C_TRAINING: training(r, out, seed); break;
  case C_8GRAM: grams(r, out, seed, 8); break;
  case C_5GRAM: grams(r, out, seed, 5); break;
  case C_3GRAM: grams(r, out, seed, 3); break;
  case C_UNIGRAM: grams(r, out, seed, 1); break;
  case C_SHUFFLED:
    for (int64_t i = 0; i < out->rows; i++)
      if (!shuffle(r, out->ids + i * out->width, out->width, i, seed, err)) return false;
    break;
  case C_COLD:
  case C_UNTRAINED:
  case CONTROLS_ALL: bug("a control that is not made here");
  }
  return true;
}

const Demand *control_breaks(const Reference *r, const Measures m[CONTROLS_ALL],
                             const bool have[CONTROLS_ALL], MeasureId id) {
  for (const Demand *d = control_demands; d->better != d->worse; d++) {
    if (!have[d->better] || !have[d->worse]) continue;
    double near = measure_distance(r, &m[d->better], id),
           far = measure_distance(r, &m[d->worse], id);
    if (!(near < far)) return d; /* NaN, no number: broken */
  }
  return NULL;
}
