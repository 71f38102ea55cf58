/* SPDX-License-Identifier: MIT */
/* Letters, and the marks on them, by Unicode's general categories. See alphabet.h. */
#include "runtime/text/alphabet.h"

#include <stdlib.h>
#include <utf8proc.h>

bool texts_new(Texts *t, int64_t rows, int64_t width, TdError *err) {
  int64_t n;
  *t = (Texts){.rows = rows, .width = width};
  if (mul_fits(rows, width, &n) && n < INT64_MAX / 8)
    t->ids = calloc((size_t)n + 1, sizeof *t->ids);
  return t->ids != NULL || td_fail_memory(err);
}

void texts_free(Texts *t) {
  free(t->ids);
  *t = (Texts){0};
}

bool alphabet_letter(Tokens kind, uint32_t point) {
  if (kind != TOKENS_CHARS && point > 127) return true; /* a piece of some letter */
  const char *category = utf8proc_category_string((utf8proc_int32_t)point); /* "Lu" */
  return category[0] == 'L' || category[0] == 'M';
}

int32_t alphabet_small(Tokens kind, uint32_t point) {
  if (kind != TOKENS_CHARS && point > 127) return (int32_t)point;
  return utf8proc_tolower((utf8proc_int32_t)point);
}

bool alphabet_new(Alphabet *a, const Vocabulary *v, TdError *err) {
  *a = (Alphabet){.size = v->size, .newline = -1, .colon = -1};
  a->letter = calloc((size_t)v->size + 1, sizeof *a->letter);
  a->lower = calloc((size_t)v->size + 1, sizeof *a->lower);
  if (a->letter == NULL || a->lower == NULL) return td_fail_memory(err);
  for (int64_t i = 0; i < v->size; i++) {
    uint32_t point = v->symbols != NULL ? v->symbols[i] : (uint32_t)i;
    a->letter[i] = alphabet_letter(v->kind, point);
    a->lower[i] = alphabet_small(v->kind, point);
    if (point == '\n') a->newline = (int32_t)i;
    if (point == ':') a->colon = (int32_t)i;
  }
  return true;
}

void alphabet_free(Alphabet *a) {
  free(a->letter);
  free(a->lower);
  *a = (Alphabet){0};
}

bool alphabet_is_letter(const Alphabet *a, int32_t id) {
  return id >= 0 && id < a->size && a->letter[id];
}
