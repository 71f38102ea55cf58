/* SPDX-License-Identifier: MIT */
/* Words and lines. See words.h. */
#include "runtime/text/words.h"

#include <math.h>
#include <stdlib.h>

#include "runtime/system/utf8.h"

bool words_lower(const Alphabet *a, const Texts *t, Texts *out, TdError *err) {
  if (!texts_new(out, t->rows, t->width, err)) return false;
  for (int64_t i = 0; i < t->rows * t->width; i++)
    out->ids[i] = alphabet_is_letter(a, t->ids[i]) ? a->lower[t->ids[i]] : -1;
  return true;
}

bool words_count(Counts *c, const Texts *lower, int side, TdError *err) {
  for (int64_t r = 0; r < lower->rows; r++) {
    const int32_t *row = lower->ids + r * lower->width;
    int64_t begin = -1; /* of the word that i is in; -1: none, or one that the row's start cut */
    for (int64_t i = 0; i < lower->width; i++) {
      if (row[i] >= 0 && i > 0 && row[i - 1] < 0) begin = i;
      if (row[i] >= 0 || begin < 0) continue;
      if (!counts_add(c, row + begin, i - begin, side, err)) return false;
      begin = -1;
    }
  }
  return true;
}

double words_known(const Counts *c, int of, const Counts *known, int64_t least) {
  int64_t all = 0, found = 0;
  for (int64_t i = 0; i < c->n; i++) {
    if (c->at[i].n < least) continue;
    const Count *k = counts_find(known, c->at[i].key, c->at[i].n);
    all += c->at[i].times[of];
    found += k != NULL && k->times[0] > 0 ? c->at[i].times[of] : 0;
  }
  return all > 0 ? (double)found / (double)all : 0;
}

/* What the symbol at `at` is, and how many bytes it takes. */
static size_t symbol_at(Tokens kind, const uint8_t *at, size_t n, uint32_t *point) {
  size_t bytes = kind == TOKENS_CHARS ? utf8_decode(at, n, point) : 0;
  if (bytes > 0) return bytes;
  *point = kind == TOKENS_CHARS ? 0 : *at; /* no text: no letter */
  return 1;
}

bool words_list(Counts *c, int32_t **points, Tokens kind, const uint8_t *text, size_t n,
                TdError *err) {
  int32_t *to = *points = malloc((n + 1) * sizeof *to);
  bool word = true;
  int64_t begin = 0, end = 0;
  if (to == NULL) return td_fail_memory(err);
  for (size_t i = 0; i <= n;) {
    uint32_t point = '\n';
    i += i < n ? symbol_at(kind, text + i, n - i, &point) : 1;
    if (point == '\r') continue;
    if (point != '\n') {
      word = word && alphabet_letter(kind, point);
      to[end++] = alphabet_small(kind, point);
      continue;
    }
    if (word && end > begin && !counts_add(c, to + begin, end - begin, 0, err)) return false;
    begin = end;
    word = true;
  }
  return true;
}

bool lines_count(const Alphabet *a, const Texts *t, Lines *out, Counts *names, int side,
                 TdError *err) {
  double sum = 0, squares = 0;
  *out = (Lines){0};
  for (int64_t r = 0; a->newline >= 0 && r < t->rows; r++) {
    const int32_t *row = t->ids + r * t->width;
    int64_t begin = -1; /* of the line that i is in; -1: the row's start cut it */
    for (int64_t i = 0; i < t->width; i++) {
      if (row[i] != a->newline) continue;
      int64_t n = begin >= 0 ? i - begin : 0;
      bool header = n > 1 && row[i - 1] == a->colon && begin > 1 && row[begin - 2] == a->newline;
      if (n > 0) out->n++;
      sum += (double)n;
      squares += (double)n * (double)n;
      out->headers += header;
      if (header && names != NULL && !counts_add(names, row + begin, n, side, err)) return false;
      begin = i + 1;
    }
  }
  out->length = out->n > 0 ? sum / (double)out->n : 0;
  double spread = out->n > 0 ? squares / (double)out->n - out->length * out->length : 0;
  out->deviation = spread > 0 ? sqrt(spread) : 0;
  return true;
}
