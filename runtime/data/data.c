/* SPDX-License-Identifier: MIT */
/* Datasets: tokens, splits, windows. See data.h. */
#include "compiler/ir/draws.h"
#include "runtime/data/data.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- loading ---------------------------------------------------------------- */

void dataset_read(const Dataset *d, int64_t first, int64_t n, int32_t *out) {
  int width = vocabulary_width(&d->vocabulary);
  const uint8_t *narrow = (const uint8_t *)d->tokens + first * width;
  const uint16_t *wide = (const uint16_t *)d->tokens + first;
  if (width == 4) memcpy(out, narrow, (size_t)n * sizeof *out);
  for (int64_t i = 0; width == 1 && i < n; i++) out[i] = narrow[i];
  for (int64_t i = 0; width == 2 && i < n; i++) out[i] = wide[i];
}

int64_t dataset_bytes(const Dataset *d) {
  int64_t a_symbol =
      (int64_t)sizeof *d->unigram + (d->vocabulary.symbols != NULL ? (int64_t)sizeof(uint32_t) : 0);
  return d->count * vocabulary_width(&d->vocabulary) + d->vocabulary.size * a_symbol;
}

static bool dataset_count_unigrams(Dataset *d, TdError *err) {
  enum { PIECE = 4096 };
  int32_t piece[PIECE];
  d->unigram = calloc((size_t)d->vocabulary.size, sizeof *d->unigram);
  if (d->unigram == NULL) return td_fail_memory(err);
  for (int64_t i = 0, n; i < d->train; i += n) {
    n = d->train - i < PIECE ? d->train - i : PIECE;
    dataset_read(d, i, n, piece);
    for (int64_t k = 0; k < n; k++) d->unigram[piece[k]] += 1;
  }
  for (int64_t v = 0; v < d->vocabulary.size; v++) {
    double p = d->unigram[v] / (double)d->train;
    d->unigram[v] = p;
    if (p > 0) d->entropy -= p * log(p);
  }
  return true;
}

/* How many code points n bytes of UTF-8 are. */
static size_t points_of(const uint8_t *text, size_t n) {
  size_t points = 0;
  for (size_t i = 0; i < n; i++) points += (text[i] & 0xc0) != 0x80;
  return points;
}

/* The text's bytes become its tokens, in their place where a token is a byte: a corpus may be
 * most of what a process has. */
static bool dataset_pack(Dataset *d, Text *text, size_t mark, TdError *err) {
  const uint8_t *body = text->bytes + mark;
  size_t n = text->n - mark, width = (size_t)vocabulary_width(&d->vocabulary);
  void *to = width == 1 ? text->bytes : malloc(points_of(body, n) * width);
  if (to == NULL) return td_fail_memory(err);
  d->count = (int64_t)vocabulary_pack(&d->vocabulary, body, n, to);
  if (width > 1) free(text->bytes);
  text->bytes = NULL;
  void *less = realloc(to, (size_t)d->count * width);
  d->tokens = less != NULL ? less : to;
  return true;
}

static bool dataset_fill(Dataset *d, const DataDecl *decl, Text *text, TdError *err) {
  size_t mark = vocabulary_mark(decl->tokens, text->bytes, text->n);
  if (mark == text->n)
    return td_fail(err, TD_IO_FAILED, "%s is empty: there is nothing to read", text->path);
  if (!vocabulary_make(&d->vocabulary, decl->tokens, text->path, text->bytes + mark, text->n - mark,
                       err) ||
      !dataset_pack(d, text, mark, err))
    return false;
  if (!(decl->split > 0 && decl->split <= 1))
    return td_fail(err, TD_BAD_FILE, "data %s: split must lie above 0 and at most at 1",
                   decl->name);
  d->train = (int64_t)floor((double)d->count * decl->split);
  if (d->train < 1)
    return td_fail(err, TD_BAD_FILE,
                   "data %s: %s has %" PRId64 " tokens, the split leaves none to train on",
                   decl->name, text->path, d->count);
  return dataset_count_unigrams(d, err);
}

Dataset *dataset_load(const CorpusSearch *search, const DataDecl *decl, TdError *err) {
  Text text;
  if (!text_load(search, decl->source, decl->td_file, &text, err)) return NULL;
  Dataset *d = calloc(1, sizeof *d);
  bool ok = d != NULL || td_fail_memory(err);
  if (ok) {
    d->name = decl->name;
    d->seed = decl->seed;
    memcpy(d->sha256, text.sha256, sizeof d->sha256);
    ok = dataset_fill(d, decl, &text, err);
    d->path = text.path;
    text.path = NULL;
  }
  text_free(&text);
  if (ok) return d;
  dataset_free(d);
  return NULL;
}

void dataset_free(Dataset *d) {
  if (d == NULL) return;
  vocabulary_free(&d->vocabulary);
  free(d->path);
  free(d->tokens);
  free(d->unigram);
  free(d);
}

/* ---- windows ------------------------------------------------------------------ */

int64_t dataset_train_offset(const Dataset *d, uint64_t seed, int64_t step, int64_t row,
                             int64_t length) {
  uint64_t key = seed ^ d->seed * UINT64_C(0x9e3779b97f4a7c15),
           places = (uint64_t)(d->train - length + 1);
  uint32_t site = draw_site("data.window"), out[4];
  const uint32_t keys[2] = {(uint32_t)key ^ site, (uint32_t)(key >> 32)};
  const uint32_t counter[4] = {(uint32_t)row, (uint32_t)((uint64_t)row >> 32), (uint32_t)step,
                               (uint32_t)((uint64_t)step >> 32)};
  philox4x32(counter, keys, out);
  uint64_t bits = (uint64_t)out[0] << 32 | out[1];
  /* bits * places / 2^64, by halves: tokens number below 2^31 */
  return (int64_t)(((bits >> 32) * places + ((bits & 0xffffffffu) * places >> 32)) >> 32);
}

bool dataset_train_window(const Dataset *d, uint64_t seed, int64_t step, int64_t row,
                          int64_t length, int32_t *out, TdError *err) {
  if (d->train < length)
    return td_fail(err, TD_BAD_FILE,
                   "data %s: the training part of %s has %" PRId64
                   " tokens, a window needs %" PRId64,
                   d->name, d->path, d->train, length);
  dataset_read(d, dataset_train_offset(d, seed, step, row, length), length, out);
  return true;
}

int64_t dataset_valid_count(const Dataset *d, int64_t length) {
  return (d->count - d->train) / length;
}

void dataset_valid_window(const Dataset *d, int64_t i, int64_t length, int32_t *out) {
  dataset_read(d, d->train + i * length, length, out);
}

/* ---- the store ------------------------------------------------------------------ */

enum { STORE_MAX = 32 };
struct DataStore {
  CorpusSearch search;
  Dataset *sets[STORE_MAX];
  int n;
  TdError error;
  Vocabulary offered; /* from a weights file; valid when offered_unigram is set */
  double *offered_unigram;
};

DataStore *data_store_new(const CorpusSearch *search) {
  DataStore *s = calloc(1, sizeof *s);
  if (s != NULL) s->search = *search;
  return s;
}

void data_store_free(DataStore *s) {
  if (s == NULL) return;
  for (int i = 0; i < s->n; i++) dataset_free(s->sets[i]);
  vocabulary_free(&s->offered);
  free(s->offered_unigram);
  free(s);
}

/* ---- what a weights file remembers ----------------------------------------------- */

void dataset_write_unigram(const Dataset *d, StrBuf *out) {
  char number[32];
  for (int64_t v = 0; v < d->vocabulary.size; v++) {
    fmt_double(number, d->unigram[v]);
    sb_printf(out, "%s%s", v ? " " : "", number);
  }
}

/* Decimal numbers with spaces between; NULL unless there are exactly n. */
static double *read_numbers(const char *text, int64_t n) {
  double *out = calloc((size_t)n + 1, sizeof *out);
  for (int64_t i = 0; out != NULL && i < n; i++) {
    const char *end;
    out[i] = parse_double(text, &end);
    if (end == text || !(out[i] >= 0)) {
      free(out);
      return NULL;
    }
    text = end;
    while (*text == ' ') text++;
  }
  if (out != NULL && *text != '\0') {
    free(out);
    return NULL;
  }
  return out;
}

bool data_store_offer(DataStore *s, const char *tokens, const char *vocabulary,
                      const char *unigram) {
  Vocabulary v = {0};
  if (tokens == NULL || vocabulary == NULL || unigram == NULL ||
      !vocabulary_parse(&v, tokens, vocabulary))
    return false;
  double *shares = read_numbers(unigram, v.size);
  if (shares == NULL) {
    vocabulary_free(&v);
    return false;
  }
  vocabulary_free(&s->offered);
  free(s->offered_unigram);
  s->offered = v;
  s->offered_unigram = shares;
  return true;
}

static Dataset *remembered(DataStore *s, const DataDecl *decl) {
  Dataset *d = calloc(1, sizeof *d);
  StrBuf symbols = {0};
  vocabulary_write(&s->offered, &symbols);
  bool ok = d != NULL && symbols.s != NULL &&
            vocabulary_parse(&d->vocabulary, tokens_name(s->offered.kind), symbols.s);
  sb_free(&symbols);
  if (ok) {
    d->name = decl->name;
    d->seed = decl->seed;
    d->path = strdup("the weights file");
    d->unigram = calloc((size_t)d->vocabulary.size, sizeof *d->unigram);
    ok = d->path != NULL && d->unigram != NULL;
  }
  if (!ok) {
    dataset_free(d);
    td_fail_memory(&s->error);
    return NULL;
  }
  for (int64_t i = 0; i < d->vocabulary.size; i++) {
    double p = d->unigram[i] = s->offered_unigram[i];
    if (p > 0) d->entropy -= p * log(p);
  }
  return d;
}

static int64_t number_of(const void *vocabulary, const char *bytes, size_t n) {
  int32_t id;
  return vocabulary_read(vocabulary, (const uint8_t *)bytes, n, &id) == n ? id : -1;
}

bool data_store_query(void *store, const DataDecl *decl, DataInfo *out, const char **why) {
  DataStore *s = store;
  Dataset *d = NULL;
  if (s->n == STORE_MAX)
    td_fail(&s->error, TD_BAD_FILE, "more than %d data declarations", (int)STORE_MAX);
  else if (s->offered_unigram != NULL && s->offered.kind == decl->tokens)
    d = remembered(s, decl);
  else
    d = dataset_load(&s->search, decl, &s->error);
  if (d == NULL) {
    *why = s->error.message;
    return false;
  }
  s->sets[s->n++] = d;
  *out = (DataInfo){.vocab = d->vocabulary.size,
                    .unigram = d->unigram,
                    .entropy = d->entropy,
                    .bytes = dataset_bytes(d),
                    .symbol = number_of,
                    .symbols = &d->vocabulary};
  return true;
}

Dataset *data_store_find(DataStore *s, const char *name) {
  for (int i = s->n - 1; name != NULL && i >= 0; i--)
    if (strcmp(s->sets[i]->name, name) == 0) return s->sets[i];
  return NULL;
}

const TdError *data_store_error(const DataStore *s) { return &s->error; }
