/* SPDX-License-Identifier: MIT */
/* A model as a judge of texts: those stand in for held-out text, and its metric that claims to be
 * exact is evaluated. */
#ifndef TDC_JUDGE_H
#define TDC_JUDGE_H

#include "runtime/data/feed.h"
#include "runtime/text/alphabet.h"
#include "runtime/train/texts.h"

typedef struct Judge {
  Session *session; /* with its weights */
  const Unit *unit;
  DataStore *data;
  const UnitMetric *metric; /* the first that is exact */
} Judge;

/* False with a message when no metric of the unit claims to be exact, or not one input of text
 * feeds it. What it is given is borrowed. */
bool judge_open(Judge *j, Session *s, const Unit *u, DataStore *data, TdError *err);

/* The metric's mean over texts out of the symbols of `v`, and its standard error. Each row follows
 * a line's end, and all of them are read one after the other in the judge's windows: where these
 * are a symbol longer than a row, as those of a model that predicts the next symbol of texts as
 * long as these, each symbol counts once. Its data is put back. */
bool judge_texts(Judge *j, const Texts *t, const Vocabulary *v, double *mean, double *error,
                 TdError *err);

/* So many texts of its first sampler that takes a temperature, at that one, as symbols of `v`.
 * False in *have where it has no such sampler, or its texts are of another length or have
 * symbols that v has not. */
bool judge_writes(Judge *j, double temperature, uint64_t seed, int64_t rows, int64_t width,
                  const Vocabulary *v, Texts *out, bool *have, TdError *err);

#endif
