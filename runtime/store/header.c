/* SPDX-License-Identifier: MIT */
/* Reading the header of a safetensors file in one walk. See header.h. */
#include "runtime/store/header.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/system/utf8.h"

/* The shortest tensor and the shortest pair, with a comma: so many there are at most. */
enum {
  LEAST_TENSOR = sizeof "\"\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,0]}," - 1,
  LEAST_PAIR = sizeof "\"\":\"\"," - 1
};

typedef struct Scan {
  StHeader *h;
  const char *at, *end;
  char *to; /* where the next name goes */
  uint64_t data;
  StFault *why;
} Scan;

static bool fault(Scan *s, const char *what, const char *name) {
  *s->why = (StFault){what, name};
  return false;
}

static bool no_json(Scan *s) { return fault(s, "the header is not JSON", NULL); }

static void skip_space(Scan *s) {
  while (s->at < s->end && (*s->at == ' ' || *s->at == '\t' || *s->at == '\n' || *s->at == '\r'))
    s->at++;
}

static bool see(Scan *s, char c) {
  skip_space(s);
  return s->at < s->end && *s->at == c;
}

static bool take(Scan *s, char c) {
  if (!see(s, c)) return false;
  s->at++;
  return true;
}

/* ---- strings ------------------------------------------------------------------------------- */

/* Four digits of a \u. */
static bool take_unit(Scan *s, uint32_t *unit) {
  *unit = 0;
  if (s->end - s->at < 4) return false;
  for (int i = 0; i < 4; i++) {
    char c = *s->at++;
    int digit = c >= '0' && c <= '9'   ? c - '0'
                : c >= 'a' && c <= 'f' ? c - 'a' + 10
                : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                       : -1;
    if (digit < 0) return false;
    *unit = *unit << 4 | (uint32_t)digit;
  }
  return true;
}

/* A code point of one \u or of two that are a pair; 0, which no text may hold, is none. */
static bool take_point(Scan *s) {
  uint32_t high, low;
  if (!take_unit(s, &high) || high == 0 || (high >= 0xDC00 && high <= 0xDFFF)) return false;
  if (high >= 0xD800 && high <= 0xDBFF) {
    if (s->end - s->at < 2 || s->at[0] != '\\' || s->at[1] != 'u') return false;
    s->at += 2;
    if (!take_unit(s, &low) || low < 0xDC00 || low > 0xDFFF) return false;
    high = 0x10000 + ((high - 0xD800) << 10 | (low - 0xDC00));
  }
  s->to += utf8_put(high, s->to);
  return true;
}

static bool take_escape(Scan *s) {
  static const char escapes[] = "\"\"\\\\//b\bf\fn\nr\rt\t";
  if (s->at == s->end) return false;
  char c = *s->at++;
  if (c == 'u') return take_point(s);
  for (size_t i = 0; i + 1 < sizeof escapes; i += 2)
    if (escapes[i] == c) {
      *s->to++ = escapes[i + 1];
      return true;
    }
  return false;
}

/* Decoded, among the names: it is never longer than as it was written. */
static bool take_string(Scan *s, const char **text) {
  if (!take(s, '"')) return no_json(s);
  char *from = s->to;
  while (s->at < s->end && *s->at != '"') {
    unsigned char c = (unsigned char)*s->at++;
    if (c == '\\' ? !take_escape(s) : c < ' ') return no_json(s);
    if (c != '\\') *s->to++ = (char)c;
  }
  if (s->at == s->end || !utf8_valid(from, (size_t)(s->to - from))) return no_json(s);
  s->at++;
  *s->to++ = '\0';
  *text = from;
  return true;
}

/* A word that is not kept. */
static bool take_word(Scan *s, const char **word) {
  char *to = s->to;
  bool ok = take_string(s, word);
  if (ok) s->to = to; /* the next overwrites it */
  return ok;
}

/* ---- numbers ------------------------------------------------------------------------------- */

/* A size: no fraction, no exponent, no zero in front, at most 2^63 - 1. */
static bool take_size(Scan *s, int64_t *size) {
  skip_space(s);
  bool negative = s->at < s->end && *s->at == '-';
  const char *from = s->at += negative;
  for (*size = 0; s->at < s->end && *s->at >= '0' && *s->at <= '9'; s->at++)
    if (!mul_fits(*size, 10, size) || !add_fits(*size, *s->at - '0', size)) return false;
  if (s->at == from || (*from == '0' && s->at - from > 1) || (negative && *size != 0)) return false;
  return s->at == s->end || (*s->at != '.' && *s->at != 'e' && *s->at != 'E');
}

/* [a, b, ...] of `most` at most; how many there were, -1: something else, -2: more. */
static int take_sizes(Scan *s, int64_t *sizes, int most) {
  int n = 0;
  if (!take(s, '[')) return -1;
  if (take(s, ']')) return 0;
  do {
    int64_t size;
    if (!take_size(s, &size)) return -1;
    if (n == most) return -2;
    sizes[n++] = size;
  } while (take(s, ','));
  return take(s, ']') ? n : -1;
}

/* ---- tensors ------------------------------------------------------------------------------- */

static const char *const form = "a tensor needs dtype, shape and data_offsets, and nothing else";

enum { DTYPE = 1, SHAPE = 2, OFFSETS = 4, ALL = 7 };

static bool take_dtype(Scan *s, StTensor *t) {
  const char *word;
  if (!see(s, '"')) return fault(s, form, t->name);
  if (!take_word(s, &word)) return false;
  for (int k = 0; k < ST_TYPES; k++)
    if (strcmp(word, st_type_name((StType)k)) == 0) {
      t->type = (StType)k;
      return true;
    }
  return fault(s, "unknown dtype", t->name);
}

static bool take_shape(Scan *s, StTensor *t) {
  if (!see(s, '[')) return fault(s, form, t->name);
  t->rank = take_sizes(s, t->shape, ST_MAX_RANK);
  if (t->rank == -2) return fault(s, "more than 8 axes", t->name);
  if (t->rank < 0) return fault(s, "a shape is not made of sizes", t->name);
  t->count = 1;
  for (int i = 0; i < t->rank; i++)
    if (!mul_fits(t->count, t->shape[i], &t->count))
      return fault(s, "a shape is too large", t->name);
  return true;
}

static bool take_offsets(Scan *s, StTensor *t) {
  int64_t offsets[2];
  if (!see(s, '[')) return fault(s, form, t->name);
  if (take_sizes(s, offsets, 2) != 2) return fault(s, "data_offsets are two numbers", t->name);
  t->begin = (uint64_t)offsets[0];
  t->end = (uint64_t)offsets[1];
  return t->begin <= t->end && t->end <= s->data
             ? true
             : fault(s, "data_offsets reach outside the file", t->name);
}

/* Exactly dtype, shape and data_offsets, once each. */
static bool take_tensor(Scan *s, StTensor *t) {
  int seen = 0;
  if (!take(s, '{')) return fault(s, "a tensor is not an object", t->name);
  if (see(s, '}')) return fault(s, form, t->name);
  do {
    const char *key;
    if (!take_word(s, &key)) return false;
    int what = strcmp(key, "dtype") == 0          ? DTYPE
               : strcmp(key, "shape") == 0        ? SHAPE
               : strcmp(key, "data_offsets") == 0 ? OFFSETS
                                                  : 0;
    if (!take(s, ':')) return no_json(s);
    if (what == 0 || seen & what) return fault(s, form, t->name);
    seen |= what;
    if (!(what == DTYPE ? take_dtype : what == SHAPE ? take_shape : take_offsets)(s, t))
      return false;
  } while (take(s, ','));
  if (!take(s, '}')) return no_json(s);
  if (seen != ALL) return fault(s, form, t->name);
  int64_t bytes;
  if (!mul_fits(t->count, (int64_t)st_type_size(t->type), &bytes) ||
      (uint64_t)bytes != t->end - t->begin)
    return fault(s, "data_offsets do not fit the shape", t->name);
  return true;
}

/* ---- the whole ------------------------------------------------------------------------------ */

static bool take_meta(Scan *s) {
  StHeader *h = s->h;
  if (h->meta != NULL) return fault(s, "a name stands twice", "__metadata__");
  if (!take(s, '{')) return fault(s, "__metadata__ is not an object", NULL);
  h->meta = calloc((size_t)(s->end - s->at) / LEAST_PAIR + 1, sizeof *h->meta);
  if (h->meta == NULL) return fault(s, NULL, NULL);
  if (take(s, '}')) return true;
  do {
    StPair pair;
    if (!take_string(s, &pair.key)) return false;
    if (!take(s, ':')) return no_json(s);
    if (!see(s, '"')) return fault(s, "__metadata__ holds something else than text", pair.key);
    if (!take_string(s, &pair.value)) return false;
    h->meta[h->meta_count++] = pair;
  } while (take(s, ','));
  return take(s, '}') || no_json(s);
}

static bool take_entry(Scan *s) {
  const char *name;
  if (!take_string(s, &name)) return false;
  if (!take(s, ':')) return no_json(s);
  if (strcmp(name, "__metadata__") == 0) return take_meta(s);
  StTensor *t = &s->h->tensors[s->h->count++];
  t->name = name;
  return take_tensor(s, t);
}

static bool take_all(Scan *s) {
  if (s->at == s->end || *s->at != '{') return fault(s, "the header does not begin with '{'", NULL);
  s->at++;
  if (!take(s, '}')) {
    do
      if (!take_entry(s)) return false;
    while (take(s, ','));
    if (!take(s, '}')) return no_json(s);
  }
  skip_space(s);
  return s->at == s->end || no_json(s);
}

static int by_begin(const void *x, const void *y) {
  const StTensor *a = x, *b = y;
  if (a->begin != b->begin) return a->begin < b->begin ? -1 : 1;
  return a->end < b->end ? -1 : a->end > b->end;
}

static int by_name(const void *x, const void *y) {
  return strcmp((*(const StTensor *const *)x)->name, (*(const StTensor *const *)y)->name);
}

static int by_key(const void *x, const void *y) {
  return strcmp(((const StPair *)x)->key, ((const StPair *)y)->key);
}

/* Nothing has the name of another. */
static bool order(Scan *s) {
  StHeader *h = s->h;
  h->by_name = calloc((size_t)h->count + 1, sizeof *h->by_name);
  if (h->by_name == NULL) return fault(s, NULL, NULL);
  if (h->count > 1) qsort(h->tensors, (size_t)h->count, sizeof *h->tensors, by_begin);
  for (int i = 0; i < h->count; i++) h->by_name[i] = &h->tensors[i];
  if (h->count > 1) qsort(h->by_name, (size_t)h->count, sizeof *h->by_name, by_name);
  if (h->meta_count > 1) qsort(h->meta, (size_t)h->meta_count, sizeof *h->meta, by_key);
  for (int i = 1; i < h->count; i++)
    if (by_name(&h->by_name[i - 1], &h->by_name[i]) == 0)
      return fault(s, "a name stands twice", h->by_name[i]->name);
  for (int i = 1; i < h->meta_count; i++)
    if (by_key(&h->meta[i - 1], &h->meta[i]) == 0)
      return fault(s, "a name stands twice", h->meta[i].key);
  return true;
}

/* The tensors tile the data: no gap, no overlap, nothing left over. */
static bool check_layout(Scan *s) {
  uint64_t at = 0;
  for (int i = 0; i < s->h->count; i++) {
    if (s->h->tensors[i].begin != at)
      return fault(s, "tensors overlap or leave a gap", s->h->tensors[i].name);
    at = s->h->tensors[i].end;
  }
  return at == s->data || fault(s, "there are bytes that belong to no tensor", NULL);
}

bool st_header_parse(StHeader *h, const char *text, size_t n, uint64_t data, StFault *why) {
  *h = (StHeader){0};
  h->names = malloc(n + 1);
  h->tensors = calloc(n / LEAST_TENSOR + 2, sizeof *h->tensors);
  Scan s = {.h = h, .at = text, .end = text + n, .to = h->names, .data = data, .why = why};
  if (h->names == NULL || h->tensors == NULL) return fault(&s, NULL, NULL);
  return take_all(&s) && order(&s) && check_layout(&s);
}

void st_header_free(StHeader *h) {
  free(h->tensors);
  free(h->by_name);
  free(h->meta);
  free(h->names);
  *h = (StHeader){0};
}
