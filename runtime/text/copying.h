/* SPDX-License-Identifier: MIT */
/* What a text has word for word from another: a suffix automaton of the other (Blumer et al.
 * 1985), which finds, in time linear in both, the longest match that ends at each symbol. */
#ifndef TDC_COPYING_H
#define TDC_COPYING_H

#include "runtime/text/alphabet.h"

typedef struct Automaton Automaton;

Automaton *automaton_new(const int32_t *text, int64_t n, TdError *err); /* NULL: memory is out */
void automaton_free(Automaton *s);

/* matched[i]: symbols of the longest run that ends with row[i] and occurs in the source. */
void automaton_match(const Automaton *s, const int32_t *row, int64_t n, int32_t *matched);
/* The longest match of any row, which may go on where the row ends. */
int64_t automaton_longest(const Automaton *s, const Texts *t, int32_t *matched);
/* The share of symbols that are in some match of at least `least` symbols. `matched` has room
 * for a row in both. */
double automaton_share(const Automaton *s, const Texts *t, int64_t least, int32_t *matched);

#endif
