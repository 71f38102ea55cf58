/* SPDX-License-Identifier: MIT */
/* A model of a text by the symbols before each: interpolated Kneser-Ney (Kneser and Ney 1995; as
 * Chen and Goodman 1999 write it, one discount a level). It judges texts that other models wrote,
 * and writes some itself. */
#ifndef TDC_NGRAM_H
#define TDC_NGRAM_H

#include "runtime/text/alphabet.h"

typedef struct Ngram Ngram;

/* Of n symbols out of `symbols` kinds; it looks at order - 1 symbols before each, order at
 * least 1. NULL when memory is out. */
Ngram *ngram_new(const int32_t *text, int64_t n, int64_t symbols, int order, TdError *err);
void ngram_free(Ngram *m);

/* Of `next` after n symbols, the last of them nearest:
 *   p_k(w | h) = (max(c(hw) - D_k, 0) + D_k N(h) p_{k-1}(w | h')) / c(h),
 * h' without its first symbol, N(h) the kinds that followed h, p_{-1} = 1 / symbols. c counts
 * occurrences at the longest level; below it, how many different symbols (the text's beginning
 * is one of them) stood before hw. D_k = n1 / (n1 + 2 n2) of the c that are 1 and 2, else 1/2.
 * Sums to one over the symbols, whatever the history. */
double ngram_probability(const Ngram *m, const int32_t *history, int64_t n, int32_t next);

/* Mean of -log2 p of symbols from .. to - 1 of all rows, each after those before it in its row,
 * and its standard error over rows; `error` may be NULL. */
void ngram_bits(const Ngram *m, const Texts *t, int64_t from, int64_t to, double *mean,
                double *error);

/* A symbol as it followed the longest of the histories of at most `context` symbols that had
 * a successor. u in 0 .. 1 decides. */
int32_t ngram_draw(const Ngram *m, const int32_t *history, int64_t n, int context, double u);

#endif
