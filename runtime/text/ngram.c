/* SPDX-License-Identifier: MIT */
/* All n-grams of a text up to a length as a trie: a node an n-gram, its children what followed
 * it, found by hash. See ngram.h. */
#include "runtime/text/ngram.h"

#include <math.h>
#include <stdlib.h>

enum { MOST_ORDER = 16, ROOT = 0 };
#define NOWHERE UINT32_MAX

typedef struct Gram {
  uint32_t parent; /* the n-gram without its last symbol */
  int32_t symbol;  /* its last */
  uint32_t count;  /* occurrences */
  uint32_t before; /* different symbols that stood before it, the text's beginning one of them */
  uint32_t counts, befores; /* of the children, summed */
  uint32_t kinds;           /* children */
} Gram;

struct Ngram {
  int order;
  int64_t symbols;
  Gram *at;
  uint32_t n, cap;
  uint32_t *slots; /* numbers of grams by hash of parent and symbol; 0 (the root is no child): free
                    */
  uint64_t nslots; /* a power of two */
  double discount[MOST_ORDER]; /* of children of grams of that length */
};

static uint64_t place_of(const Ngram *m, uint32_t parent, int32_t symbol) {
  uint64_t h = ((uint64_t)parent << 32 | (uint32_t)symbol) * UINT64_C(0x9e3779b97f4a7c15);
  uint64_t i = (h ^ h >> 31) & (m->nslots - 1);
  for (; m->slots[i] != 0; i = (i + 1) & (m->nslots - 1))
    if (m->at[m->slots[i]].parent == parent && m->at[m->slots[i]].symbol == symbol) break;
  return i;
}

static uint32_t child_of(const Ngram *m, uint32_t parent, int32_t symbol) {
  uint32_t g = parent == NOWHERE ? 0 : m->slots[place_of(m, parent, symbol)];
  return g != 0 ? g : NOWHERE;
}

static bool room(Ngram *m, TdError *err) {
  if (m->n < m->cap) return true;
  if (m->cap > UINT32_MAX / 4) return td_fail_memory(err);
  uint32_t cap = m->cap > 0 ? 2 * m->cap : 1024;
  Gram *at = realloc(m->at, (size_t)cap * sizeof *at);
  if (at == NULL) return td_fail_memory(err);
  m->at = at;
  uint32_t *slots = calloc((size_t)cap * 2, sizeof *slots);
  if (slots == NULL) return td_fail_memory(err);
  free(m->slots);
  m->slots = slots;
  m->nslots = (uint64_t)cap * 2;
  m->cap = cap;
  for (uint32_t g = 1; g < m->n; g++) slots[place_of(m, at[g].parent, at[g].symbol)] = g;
  return true;
}

/* `suffix`: the gram without its first symbol; NOWHERE when that is the root. */
static bool gram_met(Ngram *m, uint32_t parent, int32_t symbol, uint32_t suffix, bool begins,
                     uint32_t *out, TdError *err) {
  if (!room(m, err)) return false;
  uint64_t slot = place_of(m, parent, symbol);
  uint32_t g = m->slots[slot];
  if (g == 0) {
    g = m->slots[slot] = m->n++;
    m->at[g] = (Gram){.parent = parent, .symbol = symbol};
    m->at[parent].kinds++;
    if (suffix != NOWHERE) {
      m->at[suffix].before++;
      m->at[m->at[suffix].parent].befores++;
    }
  }
  if (begins) {
    m->at[g].before++;
    m->at[parent].befores++;
  }
  m->at[g].count++;
  m->at[parent].counts++;
  *out = g;
  return true;
}

/* ends[k] is the gram of the last k symbols so far, k of them at least read. */
static bool grams_of(Ngram *m, const int32_t *text, int64_t n, TdError *err) {
  uint32_t ends[MOST_ORDER + 1] = {ROOT}, next[MOST_ORDER + 1] = {ROOT};
  for (int64_t i = 0; i < n; i++) {
    for (int k = 1; k <= m->order && k <= i + 1; k++)
      if (!gram_met(m, ends[k - 1], text[i], k > 1 ? next[k - 1] : NOWHERE, k == i + 1, &next[k],
                    err))
        return false;
    for (int k = 1; k <= m->order && k <= i + 1; k++) ends[k] = next[k];
  }
  return true;
}

static int length_of(const Ngram *m, uint32_t g) {
  int n = 0;
  for (; g != ROOT; g = m->at[g].parent) n++;
  return n;
}

static void find_discounts(Ngram *m) {
  double ones[MOST_ORDER] = {0}, twos[MOST_ORDER] = {0};
  for (uint32_t g = 1; g < m->n; g++) {
    int level = length_of(m, g) - 1;
    uint32_t c = level == m->order - 1 ? m->at[g].count : m->at[g].before;
    ones[level] += c == 1;
    twos[level] += c == 2;
  }
  for (int k = 0; k < m->order; k++)
    m->discount[k] = ones[k] > 0 ? ones[k] / (ones[k] + 2 * twos[k]) : 0.5;
}

Ngram *ngram_new(const int32_t *text, int64_t n, int64_t symbols, int order, TdError *err) {
  if (order < 1 || order > MOST_ORDER) bug("an n-gram model of order %d", order);
  Ngram *m = calloc(1, sizeof *m);
  if (m == NULL || !room(m, err)) {
    td_fail_memory(err);
    ngram_free(m);
    return NULL;
  }
  m->order = order;
  m->symbols = symbols;
  m->at[m->n++] = (Gram){0}; /* the root: of no symbols */
  if (grams_of(m, text, n, err)) {
    find_discounts(m);
    return m;
  }
  ngram_free(m);
  return NULL;
}

void ngram_free(Ngram *m) {
  if (m == NULL) return;
  free(m->at);
  free(m->slots);
  free(m);
}

double ngram_probability(const Ngram *m, const int32_t *history, int64_t n, int32_t next) {
  double p = 1 / (double)m->symbols;
  for (int k = 0; k < m->order && k <= n; k++) {
    uint32_t h = ROOT;
    for (int i = k; i > 0 && h != NOWHERE; i--) h = child_of(m, h, history[n - i]);
    if (h == NOWHERE) break;
    bool longest = k == m->order - 1;
    uint32_t all = longest ? m->at[h].counts : m->at[h].befores, w = child_of(m, h, next);
    if (all == 0) break;
    double c = w == NOWHERE ? 0 : longest ? m->at[w].count : m->at[w].before;
    p = (fmax(c - m->discount[k], 0) + m->discount[k] * m->at[h].kinds * p) / all;
  }
  return p;
}

void ngram_bits(const Ngram *m, const Texts *t, int64_t from, int64_t to, double *mean,
                double *error) {
  double sum = 0, squares = 0, rows = (double)t->rows;
  for (int64_t r = 0; r < t->rows; r++) {
    const int32_t *row = t->ids + r * t->width;
    double bits = 0;
    for (int64_t i = from; i < to; i++) bits -= log2(ngram_probability(m, row, i, row[i]));
    bits /= (double)(to - from);
    sum += bits;
    squares += bits * bits;
  }
  *mean = sum / rows;
  if (error == NULL) return;
  *error = t->rows > 1 ? sqrt(fmax(squares / rows - *mean * *mean, 0) / (rows - 1)) : 0;
}

int32_t ngram_draw(const Ngram *m, const int32_t *history, int64_t n, int context, double u) {
  uint32_t h = NOWHERE;
  for (int64_t k = n < context ? n : context; k >= 0; k--) {
    h = ROOT;
    for (int64_t i = k; i > 0 && h != NOWHERE; i--) h = child_of(m, h, history[n - i]);
    if (h != NOWHERE && m->at[h].counts > 0) break;
  }
  double left = u * (h == NOWHERE ? 0 : m->at[h].counts);
  int32_t last = 0;
  for (int32_t w = 0; w < m->symbols; w++) {
    uint32_t g = child_of(m, h, w);
    if (g == NOWHERE) continue;
    last = w;
    left -= m->at[g].count;
    if (left < 0) break;
  }
  return last;
}
