/* SPDX-License-Identifier: MIT */
/* A table of sequences, by open addressing. See counts.h. */
#include "runtime/text/counts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint64_t hash_of(const int32_t *key, int64_t n) {
  uint64_t h = UINT64_C(0xcbf29ce484222325);
  for (int64_t i = 0; i < n; i++) {
    h = (h ^ (uint32_t)key[i]) * UINT64_C(0x9e3779b97f4a7c15);
    h ^= h >> 29;
  }
  return h;
}

/* Its slot, or the free one where it belongs. */
static int64_t slot_of(const Counts *c, const int32_t *key, int64_t n) {
  int64_t i = (int64_t)(hash_of(key, n) % (uint64_t)c->nslots);
  for (; c->slots[i] != 0; i = (i + 1) % c->nslots) {
    const Count *e = &c->at[c->slots[i] - 1];
    if (e->n == n && memcmp(e->key, key, (size_t)n * sizeof *key) == 0) break;
  }
  return i;
}

/* Room for one more; at most half of the slots are taken. */
static bool room(Counts *c, TdError *err) {
  if (c->n < c->cap) return true;
  int64_t cap = c->cap > 0 ? 2 * c->cap : 512;
  Count *at = realloc(c->at, (size_t)cap * sizeof *at);
  if (at == NULL) return td_fail_memory(err);
  c->at = at;
  int64_t *slots = calloc((size_t)cap * 2, sizeof *slots);
  if (slots == NULL) return td_fail_memory(err);
  free(c->slots);
  c->slots = slots;
  c->nslots = 2 * cap;
  c->cap = cap;
  for (int64_t i = 0; i < c->n; i++) slots[slot_of(c, c->at[i].key, c->at[i].n)] = i + 1;
  return true;
}

bool counts_add(Counts *c, const int32_t *key, int64_t n, int side, TdError *err) {
  if (!room(c, err)) return false;
  int64_t slot = slot_of(c, key, n);
  if (c->slots[slot] == 0) {
    c->at[c->n++] = (Count){.key = key, .n = n};
    c->slots[slot] = c->n;
  }
  c->at[c->slots[slot] - 1].times[side]++;
  c->total[side]++;
  return true;
}

bool counts_grams(Counts *c, const Texts *t, int64_t n, int side, TdError *err) {
  for (int64_t r = 0; r < t->rows; r++)
    for (int64_t i = 0; i + n <= t->width; i++)
      if (!counts_add(c, t->ids + r * t->width + i, n, side, err)) return false;
  return true;
}

const Count *counts_find(const Counts *c, const int32_t *key, int64_t n) {
  int64_t slot = c->nslots > 0 ? slot_of(c, key, n) : 0;
  return c->nslots > 0 && c->slots[slot] != 0 ? &c->at[c->slots[slot] - 1] : NULL;
}

int64_t counts_kinds(const Counts *c, int side) {
  int64_t kinds = 0;
  for (int64_t i = 0; i < c->n; i++) kinds += c->at[i].times[side] > 0;
  return kinds;
}

void counts_free(Counts *c) {
  free(c->at);
  free(c->slots);
  *c = (Counts){0};
}

double counts_divergence(const Counts *c) {
  double sum = 0;
  if (c->total[0] == 0 || c->total[1] == 0) return (double)NAN;
  for (int64_t i = 0; i < c->n; i++) {
    double p = (double)c->at[i].times[0] / (double)c->total[0],
           q = (double)c->at[i].times[1] / (double)c->total[1], m = (p + q) / 2;
    if (p > 0) sum += p * log2(p / m) / 2;
    if (q > 0) sum += q * log2(q / m) / 2;
  }
  return sum;
}
