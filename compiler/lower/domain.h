/* SPDX-License-Identifier: MIT */
/* Warnings about the mathematics rather than the program. */
#ifndef TDC_DOMAIN_H
#define TDC_DOMAIN_H

#include "compiler/lower/lower.h"

/* -- domain.c ---------------------------------------------------------------------- */
void domain_warnings(Lowering *l); /* when every entry is lowered */
void domain_softmax(Lowering *l, const AExpr *e, const int *vars, int n);
/* parts: conditions that hold together. */
void domain_guard(Lowering *l, const AExpr *e, Expr *const *parts, int n);

/* -- lower_doubt.c ----------------------------------------------------------------- */
/* e: a product that is summed over the implicit indices of f. */
void doubt_implicit_sum(Lowering *l, const Frame *f, const AExpr *e);
void doubt_division(Lowering *l, Expr *divisor, Span at); /* of real numbers */

#endif
