/* SPDX-License-Identifier: MIT */
/* How often each sequence of symbols occurs on two sides: n-grams, words. Sequences are not
 * copied; they stay where they are. */
#ifndef TDC_COUNTS_H
#define TDC_COUNTS_H

#include "runtime/text/alphabet.h"

typedef struct Count {
  const int32_t *key;
  int64_t n;        /* symbols of it */
  int64_t times[2]; /* on each side */
} Count;

typedef struct Counts {
  Count *at; /* in the order they were first met */
  int64_t n, cap;
  int64_t *slots, nslots; /* numbers of entries + 1 by hash; 0: free */
  int64_t total[2];
} Counts;

bool counts_add(Counts *c, const int32_t *key, int64_t n, int side, TdError *err);
/* All n-grams of a text's rows; none reaches from row to row. */
bool counts_grams(Counts *c, const Texts *t, int64_t n, int side, TdError *err);
/* NULL: it never occurred. */
const Count *counts_find(const Counts *c, const int32_t *key, int64_t n);
int64_t counts_kinds(const Counts *c, int side); /* different ones on a side */
void counts_free(Counts *c);

/* Jensen and Shannon's divergence of the two sides' shares, in bits: 0 where they are equal, 1
 * where nothing occurs on both. NaN when a side is empty. */
double counts_divergence(const Counts *c);

#endif
