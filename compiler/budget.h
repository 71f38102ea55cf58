/* SPDX-License-Identifier: MIT */
/* A limit on the memory that a program takes, met by computing values again. */
#ifndef TDC_BUDGET_H
#define TDC_BUDGET_H

#include "compiler/backend.h"
#include "compiler/unit.h"

typedef struct Budget {
  Arena *arena;
  int64_t bytes; /* allowed: states, temporaries, inputs, tables, scratch of all threads, text */
  int64_t text;  /* bytes that the text takes beside the program */
  int threads;
  const UnitEntry *entries;
  int nentries;
  Backend *(*begin)(void *ctx); /* the program without its entries */
  void *ctx;
} Budget;

/* What a budget is short of. */
typedef struct Shortage {
  int64_t least;        /* bytes that would do */
  int64_t fixed;        /* of them: states, inputs, tables, scratch, and the text */
  int64_t text;         /* of these: the text */
  const TdEntry *entry; /* whose temporaries are the rest, as few as can be */
} Shortage;

/* How many values each entry has to compute again, as few as meet the budget:
 * level[nentries], for backend_recompute. False when none do. */
bool budget_meet(const Budget *b, int *level, Shortage *s);

/* "507M": that many bytes or a few more, as --memory takes them. */
const char *budget_text(Arena *a, int64_t bytes);
/* "states, inputs and tables 132M; entry train 375M, of it: h 88.1M, ..." */
const char *budget_explain(Arena *a, const Shortage *s);

#endif
