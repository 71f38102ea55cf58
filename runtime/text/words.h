/* SPDX-License-Identifier: MIT */
/* Words and lines of rows of text. What a row's ends may have cut is neither. */
#ifndef TDC_WORDS_H
#define TDC_WORDS_H

#include "runtime/text/counts.h"

/* Rows in small letters: each letter's code point, -1 for all else. `out` is as texts_new makes
 * it. Words are found in these. */
bool words_lower(const Alphabet *a, const Texts *t, Texts *out, TdError *err);
/* Whole words of them. */
bool words_count(Counts *c, const Texts *lower, int side, TdError *err);
/* The share of side `of`'s words of at least `least` letters, each as often as it occurs, that
 * `known` has on its side 0; 0 when there are none. */
double words_known(const Counts *c, int of, const Counts *known, int64_t least);

/* A list of words as a file has it, one a line: those lines that are letters alone, in small
 * letters as words_lower has them of texts of such symbols. *points is what the keys point into:
 * to be freed after c. */
bool words_list(Counts *c, int32_t **points, Tokens kind, const uint8_t *text, size_t n,
                TdError *err);

/* Whole lines that are not empty. A header is one that ends in a colon and stands behind an
 * empty line: who speaks, in a play. */
typedef struct Lines {
  int64_t n, headers;
  double length, deviation; /* symbols of a line: mean, and how far they are from it */
} Lines;
/* The headers are counted in `names`, with their colon, on a side; NULL: they are not. */
bool lines_count(const Alphabet *a, const Texts *t, Lines *out, Counts *names, int side,
                 TdError *err);

#endif
