/* SPDX-License-Identifier: MIT */
/* Tokenizers. A vocabulary is a sorted list of code points, or a plain range. */
#include "runtime/data/vocabulary.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/system/utf8.h"

enum { POINTS = 0x110000 };

const char *tokens_name(Tokens t) {
  switch (t) {
  case TOKENS_CHARS: return "chars";
  case TOKENS_BYTES: return "bytes";
  case TOKENS_ASCII: return "ascii";
  }
  bug("unknown tokenizer %d", (int)t);
}

static bool vocabulary_of_points(Vocabulary *v, const char *what, const uint8_t *text, size_t n,
                                 TdError *err) {
  uint8_t *seen = calloc(POINTS / 8, 1);
  if (seen == NULL) return td_fail_memory(err);
  int64_t size = 0;
  for (size_t i = 0; i < n;) {
    uint32_t p = text[i];
    size_t len = p < 128 ? 1 : utf8_decode(text + i, n - i, &p);
    if (len == 0) {
      free(seen);
      return td_fail(err, TD_BAD_FILE,
                     "%s is not UTF-8: byte %zu is 0x%02x; `tokens bytes` takes any file", what, i,
                     text[i]);
    }
    if (!(seen[p / 8] >> (p % 8) & 1)) size++;
    seen[p / 8] = (uint8_t)(seen[p / 8] | 1u << (p % 8));
    i += len;
  }
  v->symbols = malloc((size_t)(size > 0 ? size : 1) * sizeof *v->symbols);
  if (v->symbols == NULL) {
    free(seen);
    return td_fail_memory(err);
  }
  v->size = 0;
  for (uint32_t p = 0; p < POINTS; p++)
    if (seen[p / 8] >> (p % 8) & 1) v->symbols[v->size++] = p;
  free(seen);
  return true;
}

bool vocabulary_make(Vocabulary *v, Tokens kind, const char *what, const uint8_t *text, size_t n,
                     TdError *err) {
  *v = (Vocabulary){.kind = kind};
  if (kind == TOKENS_CHARS) return vocabulary_of_points(v, what, text, n, err);
  v->size = kind == TOKENS_BYTES ? 256 : 128;
  for (size_t i = 0; kind == TOKENS_ASCII && i < n; i++)
    if (text[i] > 127)
      return td_fail(err, TD_BAD_FILE,
                     "%s is not ASCII: byte %zu is 0x%02x; `tokens chars` takes UTF-8", what, i,
                     text[i]);
  return true;
}

void vocabulary_free(Vocabulary *v) {
  free(v->symbols);
  *v = (Vocabulary){0};
}

size_t vocabulary_read(const Vocabulary *v, const uint8_t *text, size_t n, int32_t *id) {
  if (n == 0) return 0;
  if (v->kind != TOKENS_CHARS) {
    *id = text[0];
    return text[0] < v->size ? 1 : 0;
  }
  uint32_t p;
  size_t len = utf8_decode(text, n, &p);
  int64_t lo = 0, hi = v->size;
  while (len > 0 && lo < hi) {
    int64_t mid = lo + (hi - lo) / 2;
    if (v->symbols[mid] < p)
      lo = mid + 1;
    else
      hi = mid;
  }
  if (len == 0 || lo == v->size || v->symbols[lo] != p) return 0;
  *id = (int32_t)lo;
  return len;
}

size_t vocabulary_mark(Tokens kind, const uint8_t *text, size_t n) {
  return kind != TOKENS_BYTES && n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
}

int vocabulary_width(const Vocabulary *v) {
  return v->size <= 1 << 8 ? 1 : v->size <= 1 << 16 ? 2 : 4;
}

static void keep(void *out, size_t at, int width, int32_t id) {
  if (width == 1)
    ((uint8_t *)out)[at] = (uint8_t)id;
  else if (width == 2)
    ((uint16_t *)out)[at] = (uint16_t)id;
  else
    ((int32_t *)out)[at] = id;
}

size_t vocabulary_pack(const Vocabulary *v, const uint8_t *text, size_t n, void *out) {
  int32_t number[128]; /* most characters of a corpus are of one byte */
  int width = vocabulary_width(v);
  size_t count = 0;
  for (uint8_t c = 0; c < 128; c++)
    if (vocabulary_read(v, &c, 1, &number[c]) == 0) number[c] = -1;
  for (size_t i = 0; i < n; count++) {
    int32_t id = text[i] < 128 ? number[text[i]] : -1;
    size_t len = id >= 0 ? 1 : vocabulary_read(v, text + i, n - i, &id);
    if (len == 0) bug("a text outside its own vocabulary");
    keep(out, count, width, id);
    i += len;
  }
  return count;
}

bool vocabulary_encode(const Vocabulary *v, const uint8_t *text, size_t n, int32_t *ids,
                       size_t *count, size_t *offset) {
  *count = 0;
  for (size_t i = 0; i < n;) {
    size_t len = vocabulary_read(v, text + i, n - i, &ids[*count]);
    if (len == 0) {
      if (offset != NULL) *offset = i;
      return false;
    }
    (*count)++;
    i += len;
  }
  return true;
}

void vocabulary_spell(const Vocabulary *v, int64_t id, StrBuf *out) {
  char s[4];
  if (id < 0 || id >= v->size)
    sb_putc(out, '?');
  else if (v->kind != TOKENS_CHARS)
    sb_putc(out, (char)id);
  else
    sb_write(out, s, utf8_put(v->symbols[id], s));
}

void vocabulary_write(const Vocabulary *v, StrBuf *out) {
  for (int64_t i = 0; v->symbols != NULL && i < v->size; i++)
    sb_printf(out, "%s%" PRIu32, i > 0 ? " " : "", v->symbols[i]);
  if (out->s == NULL) sb_puts(out, "");
}

bool vocabulary_parse(Vocabulary *v, const char *kind, const char *written) {
  *v = (Vocabulary){0};
  if (strcmp(kind, tokens_name(TOKENS_BYTES)) == 0 ||
      strcmp(kind, tokens_name(TOKENS_ASCII)) == 0) {
    v->kind = strcmp(kind, tokens_name(TOKENS_BYTES)) == 0 ? TOKENS_BYTES : TOKENS_ASCII;
    v->size = v->kind == TOKENS_BYTES ? 256 : 128;
    return true;
  }
  if (strcmp(kind, tokens_name(TOKENS_CHARS)) != 0) return false;
  v->kind = TOKENS_CHARS;
  v->symbols = calloc(strlen(written) / 2 + 2, sizeof *v->symbols);
  while (v->symbols != NULL && *written != '\0') {
    char *end;
    unsigned long x = strtoul(written, &end, 10);
    bool ascending = v->size == 0 || x > v->symbols[v->size - 1];
    if (end == written || x > 0x10ffff || !ascending || (*end != ' ' && *end != '\0')) break;
    v->symbols[v->size++] = (uint32_t)x;
    written = *end == ' ' ? end + 1 : end;
  }
  if (v->symbols != NULL && *written == '\0' && v->size > 0) return true;
  vocabulary_free(v);
  return false;
}

static int by_point(const void *x, const void *y) {
  uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
  return a < b ? -1 : a > b;
}

bool vocabulary_reordered(const Vocabulary *v, const char *written) {
  uint32_t *points = calloc((size_t)v->size + 1, sizeof *points);
  int64_t n = 0;
  bool ok = points != NULL && v->symbols != NULL;
  for (char *end; ok && *written != '\0' && n < v->size; written = *end == ' ' ? end + 1 : end) {
    unsigned long x = strtoul(written, &end, 10);
    ok = end != written && x <= 0x10ffff && (*end == ' ' || *end == '\0');
    points[n++] = (uint32_t)x;
  }
  ok = ok && n == v->size && *written == '\0';
  if (ok) qsort(points, (size_t)n, sizeof *points, by_point);
  ok = ok && memcmp(points, v->symbols, (size_t)n * sizeof *points) == 0;
  free(points);
  return ok;
}

bool vocabulary_same(const Vocabulary *v, const char *kind, const char *written) {
  StrBuf mine = {0};
  vocabulary_write(v, &mine);
  bool same = kind != NULL && written != NULL && strcmp(kind, tokens_name(v->kind)) == 0 &&
              strcmp(mine.s != NULL ? mine.s : "", written) == 0;
  sb_free(&mine);
  return same;
}
