/* SPDX-License-Identifier: MIT */
/* Ops and blocks on their own: a graph of one call, with inputs, extents and
 * numbers chosen by a seed, for the checks that every op must pass, the user's
 * included. The same choice, without chance, checks what no entry uses. */
#ifndef TDC_TRIAL_H
#define TDC_TRIAL_H

#include "compiler/unit.h"

typedef struct TrialOp {
  const char *name;
  const char *kind;    /* "op" or "block" */
  const char *library; /* "nn"; NULL: of the file itself */
  Span span;           /* of its name */
  bool clause;         /* it has a `grad` clause */
  bool nocheck;        /* and the clause says so */
  const ADecl *decl;
  struct Fn *fn;
} TrialOp;

typedef struct TrialOptions {
  uint64_t seed;
  int64_t largest; /* extent that is chosen freely; 0: 5 */
  int64_t space;   /* points of the largest index space, about; 0: 4000 */
  bool plain;      /* `grad` clauses are ignored, save those marked nocheck */
} TrialOptions;

typedef struct Trial {
  Graph *graph;       /* inputs, parameters as views of states, the results as outputs */
  const char *shapes; /* "b = 2, l = 1; p = 0.3": what was chosen, for people */
  bool training;
  uint64_t seed;
  /* when there is no graph: the last attempt's first error */
  const char *why;
  Span where;
} Trial;

/* The ops and blocks that the file declares, or those of the library. */
int trial_ops(Unit *u, Arena *a, bool library, TrialOp **out);

/* One call of `op` as a graph in `a`. Not every choice of extents suits a body
 * (`h[b,m] * u[m,k]` may need m = k): choices are tried until one does. False
 * when none did. */
bool trial_graph(Unit *u, const TrialOp *op, const TrialOptions *o, Arena *a, Trial *out);

/* The dims that would say the sizes of its indices: "E = .., D = ..". Those of the file, with
 * their numbers: "B = 32, L = 64". Empty: there are none. */
const char *trial_dims_of(const TrialOp *op, Arena *a);
const char *trial_dims(const Unit *u, Arena *a);

/* Arithmetic of one evaluation of the graph, in points visited. */
int64_t trial_work(const Graph *g);

/* What an input or state of a trial holds. Every number is exact in single
 * precision. `kind` is chosen by the seed at first, and asked for when that
 * leads out of a function's domain. */
typedef enum {
  VALUES_NORMAL,   /* standard normal */
  VALUES_TIES,     /* -1, -0.5, 0, 0.5, 1 */
  VALUES_POSITIVE, /* 0.1 .. 1.6 */
  VALUES_UNIT,     /* 0.05 .. 0.95 */
  VALUES_KINDS
} TrialValues;
TrialValues trial_values(uint64_t seed);
void trial_fill(const Node *n, uint64_t seed, TrialValues kind, double *out, int64_t count);

#endif
