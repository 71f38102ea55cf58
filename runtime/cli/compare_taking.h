/* SPDX-License-Identifier: MIT */
/* One model while `tdc compare` measures it. */
#ifndef TDC_CLI_COMPARE_TAKING_H
#define TDC_CLI_COMPARE_TAKING_H

#include "runtime/cli/compare.h"

/* A program that samples so many rows at once. */
typedef struct Rows {
  Other other;
  SampleRequest request; /* its seed is the one that is being measured */
  bool open;             /* else the other one samples for it */
} Rows;

typedef struct Taking {
  Cli *c;
  Comparison *k;
  Compared *m;
  CompareProgress *progress;
  Other score;      /* the program of the likelihood, with the file's own batch */
  Rows many, alone; /* as many rows as texts are wanted; one */
  const Dataset *data;
  Reference reference;
  Judge *judge;
  const char *text_param; /* the first text that the sampler takes, or NULL */
  int64_t width;          /* symbols of a text */
} Taking;

/* -- compare_taking.c */
/* The one that computes one row, as far as the file lets its batch be chosen. */
Rows *taking_alone(Taking *t);
/* The first n of these symbols as the sampler shows them; malloc'ed, never NULL but when memory is
 * out. */
char *taking_spelled(const Taking *t, const int32_t *ids, int64_t n);

/* A part of seed `at` begins. */
void taking_begin(Taking *t, ComparePart part, int at);

/* -- compare_given.c */
/* Rows of texts that go on from a part of held-out ones, for seed `at`; nothing where the sampler
 * takes no text. */
bool compare_given(Taking *t, int at, TdError *err);

#endif
