/* SPDX-License-Identifier: MIT */
/* Every op and block against central differences in double precision, and the
 * training loss by its parameters: what `tdc gradcheck` prints and the tests ask
 * for. Draws are held fixed; extents of 1, ties and masks are among the inputs. */
#ifndef TDC_OPCHECK_H
#define TDC_OPCHECK_H

#include "compiler/check/trial.h"

typedef enum {
  OPCHECK_OK,
  OPCHECK_WRONG,
  OPCHECK_LEFT /* nothing could be compared; `why` */
} OpCheckVerdict;

typedef struct OpCheck {
  const char *name, *kind; /* "op", "block", "loss" */
  const char *library;     /* "nn", or NULL: the file's own */
  Span span;
  OpCheckVerdict verdict;
  int shapes;              /* trials with something to compare */
  int64_t compared, kinks; /* numbers; see gradcheck.h */
  double worst;            /* as a share of the tolerance: 1 is just wrong */
  const char *why;         /* not OK: what is wrong or missing; in the arena given */
  /* the worst number, or where no number says it NULL */
  const char *at; /* "x[0, 2]" */
  double derived, expected;
  const char *against; /* "central differences", "the derivative of its body" */
  const char *shape;   /* the extents and numbers of that trial */
  uint64_t seed;
} OpCheck;

typedef struct OpCheckOptions {
  uint64_t seed;    /* of the first trial; the others follow */
  int trials;       /* of each op; 0: 20 */
  int64_t elements; /* numbers to compare of each input or parameter; 0: 20 */
  double work;      /* points that the evaluations of one op may visit, about; 0: 4e7 */
} OpCheckOptions;

OpCheck opcheck_op(Unit *u, const TrialOp *op, const OpCheckOptions *o, Arena *a);

/* The loss of `train`, of a unit compiled with `no_update`. False: there is none. */
bool opcheck_loss(Unit *u, const OpCheckOptions *o, Arena *a, OpCheck *out);

#endif
