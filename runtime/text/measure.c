/* SPDX-License-Identifier: MIT */
/* The measures of texts. See measure.h. */
#include "runtime/text/measure.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "compiler/ir/draws.h"

#define OF_VALIDATION ((double)NAN)

const MeasureKind measure_kinds[MEASURES] = {
    [M_JUDGE] = {"judge", "bits by an 8-gram judge", 2, 1, OF_VALIDATION, false},
    [M_NEURAL] = {"neural", "bits by the judge", 2, 1, OF_VALIDATION, false},
    [M_JS1] = {"js1", "divergence of symbols", 3, 1, 0, false},
    [M_JS2] = {"js2", "divergence of 2-grams", 3, 1, 0, false},
    [M_JS3] = {"js3", "divergence of 3-grams", 3, 1, 0, false},
    [M_JS4] = {"js4", "divergence of 4-grams", 3, 1, 0, false},
    [M_JS5] = {"js5", "divergence of 5-grams", 3, 1, 0, false},
    [M_JS_WORDS] = {"js_words", "divergence of words", 3, 1, 0, false},
    [M_WORDS3] = {"words3", "% words of 3+ letters known", 1, 100, OF_VALIDATION, false},
    [M_WORDS5] = {"words5", "% words of 5+ letters known", 1, 100, OF_VALIDATION, false},
    [M_LISTED] = {"listed", "% words of 3+ letters in the list", 1, 100, OF_VALIDATION, false},
    [M_VARIED_WORDS] = {"varied_words", "words of 5+ and variety", 2, 1, 1, false},
    [M_ENTROPY] = {"entropy", "entropy of symbols, bits", 2, 1, OF_VALIDATION, false},
    [M_DISTINCT1] = {"distinct1", "distinct symbols", 4, 1, OF_VALIDATION, false},
    [M_DISTINCT2] = {"distinct2", "distinct 2-grams", 3, 1, OF_VALIDATION, false},
    [M_DISTINCT3] = {"distinct3", "distinct 3-grams", 3, 1, OF_VALIDATION, false},
    [M_DISTINCT4] = {"distinct4", "distinct 4-grams", 3, 1, OF_VALIDATION, false},
    [M_REPEATED] = {"repeated", "% of 8-grams repeated in a row", 1, 100, OF_VALIDATION, false},
    [M_LONGEST] = {"longest_copy", "longest copy, symbols", 0, 1, OF_VALIDATION, true},
    [M_COPIED30] = {"copied30", "% in copies of 30+", 1, 100, OF_VALIDATION, true},
    [M_COPIED50] = {"copied50", "% in copies of 50+", 1, 100, OF_VALIDATION, true},
    [M_LINE] = {"line_length", "length of a line", 1, 1, OF_VALIDATION, false},
    [M_LINE_SPREAD] = {"line_spread", "its deviation", 1, 1, OF_VALIDATION, false},
    [M_HEADERS] = {"headers", "% of lines are headers", 1, 100, OF_VALIDATION, false},
    [M_HEADERS_KNOWN] = {"headers_known", "% of headers known", 1, 100, OF_VALIDATION, false},
};

enum { REPEATED = 8 }; /* symbols of a repetition */

/* ---- one text ----------------------------------------------------------------------------- */

static double entropy_of(const Counts *c, int side) {
  double sum = 0;
  for (int64_t i = 0; i < c->n; i++) {
    double p = (double)c->at[i].times[side] / (double)c->total[side];
    if (p > 0) sum -= p * log2(p);
  }
  return sum;
}

static bool measure_grams(const Reference *r, const Texts *t, Measures *out, TdError *err) {
  for (int n = 1; n <= 5; n++) {
    Counts c = {0};
    bool ok = counts_grams(&c, t, n, 0, err) && counts_grams(&c, &r->valid, n, 1, err);
    if (ok) {
      out->value[M_JS1 + n - 1] = counts_divergence(&c);
      if (n == 1) out->value[M_ENTROPY] = entropy_of(&c, 0);
      if (n <= 4)
        out->value[M_DISTINCT1 + n - 1] =
            c.total[0] > 0 ? (double)counts_kinds(&c, 0) / (double)c.total[0] : (double)NAN;
    }
    counts_free(&c);
    if (!ok) return false;
  }
  return true;
}

static bool measure_repeated(const Texts *t, Measures *out, TdError *err) {
  int64_t all = 0, again = 0;
  for (int64_t r = 0; r < t->rows; r++) {
    Counts c = {0};
    Texts row = {t->ids + r * t->width, 1, t->width};
    bool ok = counts_grams(&c, &row, REPEATED, 0, err);
    all += c.total[0];
    again += c.total[0] - c.n;
    counts_free(&c);
    if (!ok) return false;
  }
  out->value[M_REPEATED] = all > 0 ? (double)again / (double)all : 0;
  return true;
}

static bool measure_words(const Reference *r, const Texts *t, Measures *out, TdError *err) {
  Texts lower = {0};
  Counts c = {0};
  bool ok = words_lower(&r->alphabet, t, &lower, err) && words_count(&c, &lower, 0, err) &&
            words_count(&c, &r->valid_lower, 1, err);
  if (ok) {
    out->value[M_JS_WORDS] = c.total[0] == 0 ? 1 : counts_divergence(&c);
    out->value[M_WORDS3] = words_known(&c, 0, &r->words, 3);
    out->value[M_WORDS5] = words_known(&c, 0, &r->words, 5);
    out->value[M_LISTED] = r->listed.n > 0 ? words_known(&c, 0, &r->listed, 3) : (double)NAN;
  }
  counts_free(&c);
  texts_free(&lower);
  return ok;
}

static bool measure_lines(const Reference *r, const Texts *t, Measures *out, TdError *err) {
  Lines lines;
  Counts names = {0};
  int64_t known = 0;
  bool ok = lines_count(&r->alphabet, t, &lines, &names, 0, err);
  for (int64_t i = 0; i < names.n; i++)
    if (counts_find(&r->names, names.at[i].key, names.at[i].n) != NULL)
      known += names.at[i].times[0];
  counts_free(&names);
  bool any = r->alphabet.newline >= 0;
  out->value[M_LINE] = any ? lines.length : (double)NAN;
  out->value[M_LINE_SPREAD] = any ? lines.deviation : (double)NAN;
  out->value[M_HEADERS] = !any           ? (double)NAN
                          : lines.n == 0 ? 0
                                         : (double)lines.headers / (double)lines.n;
  out->value[M_HEADERS_KNOWN] =
      lines.headers > 0 ? (double)known / (double)lines.headers : (double)NAN;
  return ok;
}

static bool measure_copying(const Reference *r, const Texts *t, Measures *out, TdError *err) {
  int32_t *matched = malloc((size_t)t->width * sizeof *matched + 1);
  if (matched == NULL) return td_fail_memory(err);
  out->value[M_LONGEST] = (double)automaton_longest(r->automaton, t, matched);
  out->value[M_COPIED30] = automaton_share(r->automaton, t, 30, matched);
  out->value[M_COPIED50] = automaton_share(r->automaton, t, 50, matched);
  free(matched);
  return true;
}

/* At most as good as real text. */
static double part_of(double x, double real) { return real > 0 ? fmin(x / real, 1) : 1; }

bool measure(const Reference *r, const Texts *t, Measures *out, TdError *err) {
  *out = (Measures){.value[M_NEURAL] = (double)NAN};
  ngram_bits(r->judge, t, 0, t->width, &out->value[M_JUDGE], &out->judge_error);
  if (!measure_grams(r, t, out, err) || !measure_repeated(t, out, err) ||
      !measure_words(r, t, out, err) || !measure_lines(r, t, out, err) ||
      !measure_copying(r, t, out, err))
    return false;
  out->value[M_VARIED_WORDS] = fmin(part_of(out->value[M_WORDS5], r->real.value[M_WORDS5]),
                                    part_of(out->value[M_DISTINCT4], r->real.value[M_DISTINCT4]));
  return true;
}

double measure_distance(const Reference *r, const Measures *m, MeasureId id) {
  double ideal = measure_kinds[id].ideal;
  return fabs(m->value[id] - (isnan(ideal) ? r->real.value[id] : ideal));
}

bool measure_absent(const Reference *r, MeasureId id) {
  return (id == M_NEURAL || id == M_LISTED) && isnan(r->real.value[id]);
}

bool measure_copies(const Reference *r, const Measures *m) {
  return m->value[M_COPIED30] > 2 * r->real.value[M_COPIED30] + 0.01;
}

/* ---- what they are held against --------------------------------------------------------- */

void reference_valid_row(const Dataset *d, int which, int64_t i, int64_t rows, int64_t width,
                         int32_t *out) {
  int64_t windows = (d->count - d->train) / width, own = (windows + 1 - which) / 2;
  int64_t number = own > 0 ? 2 * (i * own / rows) + which : 0; /* every second one is own */
  dataset_read(d, d->train + number * width, width, out);
}

static bool reference_fill(Reference *r, const Dataset *d, int64_t rows, int64_t width,
                           TdError *err) {
  int64_t n = min_of(d->train, MEASURE_LIMIT);
  Lines lines;
  if (!alphabet_new(&r->alphabet, &d->vocabulary, err) || !texts_new(&r->train, 1, n, err) ||
      !texts_new(&r->valid, rows, width, err))
    return false;
  dataset_read(d, 0, n, r->train.ids);
  for (int64_t i = 0; i < rows; i++)
    reference_valid_row(d, 0, i, rows, width, r->valid.ids + i * width);
  return words_lower(&r->alphabet, &r->train, &r->train_lower, err) &&
         words_lower(&r->alphabet, &r->valid, &r->valid_lower, err) &&
         words_count(&r->words, &r->train_lower, 0, err) &&
         lines_count(&r->alphabet, &r->train, &lines, &r->names, 0, err) &&
         (r->judge = ngram_new(r->train.ids, n, d->vocabulary.size, MEASURE_ORDER, err)) != NULL &&
         (r->automaton = automaton_new(r->train.ids, n, err)) != NULL;
}

/* Real text is as far from real text as other rows of it are. */
static bool reference_floor(Reference *r, const Dataset *d, TdError *err) {
  Texts other = {0};
  Measures m = {0};
  bool ok = texts_new(&other, r->valid.rows, r->valid.width, err);
  for (int64_t i = 0; ok && i < other.rows; i++)
    reference_valid_row(d, 1, i, other.rows, other.width, other.ids + i * other.width);
  ok = ok && measure(r, &other, &m, err);
  for (MeasureId id = M_JS1; id <= M_JS_WORDS; id++) r->real.value[id] = m.value[id];
  texts_free(&other);
  return ok;
}

bool reference_open(Reference *r, const Dataset *d, int64_t rows, int64_t width, TdError *err) {
  *r = (Reference){0};
  if (d->count - d->train < width || d->train < width)
    return td_fail(err, TD_BAD_FILE,
                   "data %s: a split of %s is shorter than the %" PRId64 " symbols of a sample",
                   d->name, d->path, width);
  if (!reference_fill(r, d, rows, width, err) || !measure(r, &r->valid, &r->real, err) ||
      !reference_floor(r, d, err))
    return false;
  r->real.value[M_VARIED_WORDS] = 1;
  return true;
}

bool reference_list(Reference *r, Tokens kind, const uint8_t *text, size_t n, TdError *err) {
  Counts c = {0};
  bool ok = words_list(&r->listed, &r->listed_points, kind, text, n, err) &&
            words_count(&c, &r->valid_lower, 0, err);
  if (ok && r->listed.n > 0) r->real.value[M_LISTED] = words_known(&c, 0, &r->listed, 3);
  counts_free(&c);
  return ok;
}

void reference_close(Reference *r) {
  alphabet_free(&r->alphabet);
  texts_free(&r->train);
  texts_free(&r->train_lower);
  texts_free(&r->valid);
  texts_free(&r->valid_lower);
  counts_free(&r->words);
  counts_free(&r->names);
  counts_free(&r->listed);
  free(r->listed_points);
  ngram_free(r->judge);
  automaton_free(r->automaton);
  *r = (Reference){0};
}
