/* SPDX-License-Identifier: MIT */
/* Integer expressions as sums in canonical form. */
#ifndef TDC_LINEAR_H
#define TDC_LINEAR_H

#include "compiler/ir/expr.h"

enum { LINEAR_MAX = 24 };
typedef struct LinearTerm {
  int64_t coef;
  Expr *atom;
} LinearTerm;
/* constant + sum coef * atom: index variables by number, then loop counters,
 * then everything else in order of appearance; no coefficient is 0. */
typedef struct Linear {
  int64_t constant;
  int n;
  LinearTerm term[LINEAR_MAX];
} Linear;

void linear_init(Linear *s);
/* s += coef * e; false when it overflows or has too many terms. */
bool linear_add(Linear *s, Expr *e, int64_t coef);
Expr *linear_build(Graph *g, const Linear *s);
/* The integer primitives that have a canonical form; NULL: none found. */
Expr *linear_fold(Graph *g, Prim p, Expr *const *args);

#endif
