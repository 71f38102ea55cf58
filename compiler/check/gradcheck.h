/* SPDX-License-Identifier: MIT */
/* Gradients against central differences, in double precision: the test that
 * every op must pass, the user's included. */
#ifndef TDC_GRADCHECK_H
#define TDC_GRADCHECK_H

#include "compiler/ir/ir.h"

/* Values of an N_INPUT or N_STATE before the check; `ctx` is the caller's. */
typedef void GradcheckFill(const Node *n, double *values, int64_t count, void *ctx);

typedef struct GradcheckOptions {
  uint64_t seed;                  /* of the inputs' values and the weights */
  double eps;                     /* 0: 1e-6; each number moves by eps * max(1, |x|) */
  double atol, rtol;              /* 0: 1e-5, 1e-3 */
  int64_t max_elements;           /* of each input; 0: all. More are sampled. */
  const int64_t *const *elements; /* which ones of wrt[k], or NULL */
  const int64_t *nelements;
  GradcheckFill *fill; /* NULL: normal reals, uniform integers, fair bools */
  void *fill_ctx;
} GradcheckOptions;

typedef struct GradcheckReport {
  bool ok;
  int64_t compared; /* numbers */
  int64_t kinks;    /* of them where the function bends (a tie, an edge of its
                                   domain): there equal elements were moved together */
  double worst;     /* of |derived - numeric| / (atol + rtol * |numeric|) */
  const Node *node; /* where the worst is: an input, or the value of a `nocheck` clause */
  const char *name; /* where the worst is: the input, its flat element */
  int64_t element;
  double derived, numeric;
  const char *error; /* why nothing could be compared, or NULL; in the graph's arena */
} GradcheckReport;

/* d out / d wrt[k] for all k, and by the values of `nocheck` clauses (see around.h).
 * A real `out` of any rank in the top region; of rank > 0 it is contracted with
 * random weights. wrt: N_INPUT or N_STATE, real. An input that no path reaches
 * counts as gradient 0. The graph gains nodes and must not have been differentiated
 * for these before; such clauses are gone from it. */
bool gradcheck(Graph *g, Diags *d, Node *out, Node *const *wrt, int n,
               const GradcheckOptions *options, GradcheckReport *report);

#endif
