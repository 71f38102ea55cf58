/* SPDX-License-Identifier: MIT */
/* What a vocabulary's symbols are to a reader: letters, the ends of lines. And texts as rows of
 * symbols, of which everything in this folder speaks. */
#ifndef TDC_ALPHABET_H
#define TDC_ALPHABET_H

#include "runtime/data/vocabulary.h"

/* Rows of as many symbols each. A number that is none of the vocabulary's is a symbol of its
 * own: a place that nothing was decided for. */
typedef struct Texts {
  int32_t *ids; /* [rows, width] */
  int64_t rows, width;
} Texts;

bool texts_new(Texts *t, int64_t rows, int64_t width, TdError *err);
void texts_free(Texts *t);

typedef struct Alphabet {
  int64_t size;
  bool *letter;           /* [size]: words are made of these. Of bytes, those above 127 too */
  int32_t *lower;         /* [size]: its code point, small: words that differ in it are one */
  int32_t newline, colon; /* symbols; -1: there is none */
} Alphabet;

bool alphabet_new(Alphabet *a, const Vocabulary *v, TdError *err);
void alphabet_free(Alphabet *a);
/* Of a symbol of such a vocabulary: is it a letter, and what is it small? */
bool alphabet_letter(Tokens kind, uint32_t point);
int32_t alphabet_small(Tokens kind, uint32_t point);
bool alphabet_is_letter(const Alphabet *a, int32_t id);

#endif
