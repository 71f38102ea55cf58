/* SPDX-License-Identifier: MIT */
/* Bounds of integer expressions that follow from the conditions around a place. */
#ifndef TDC_LOWER_GIVEN_H
#define TDC_LOWER_GIVEN_H

#include "compiler/lower/lower.h"

enum { GIVEN_MAX = 64 };
typedef struct Given {
  ExBound at[GIVEN_MAX];
  int n;
} Given;

/* -- lower_given.c ------------------------------------------------------------------ */
/* What l->facts say, each of them and all together. */
void given_here(Lowering *l, Given *out);
/* The interval of e with that (NULL: nothing); false when unbounded. */
bool interval_given(Lowering *l, const Expr *e, const Given *given, int64_t *lo, int64_t *hi);

#endif
