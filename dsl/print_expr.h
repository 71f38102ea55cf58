/* SPDX-License-Identifier: MIT */
/* Parts of the formatter that print.c puts statements together from. */
#ifndef TDC_PRINT_EXPR_H
#define TDC_PRINT_EXPR_H

#include "dsl/print_internal.h"

void write_expr(Writer *w, const AExpr *e);
void write_value(Writer *w, const AExpr *e); /* after '=': a blank or a kept break first */
void write_bound(Writer *w, const AExpr *e); /* the N of id<N> */
void write_range_end(Writer *w, const AExpr *e);
void write_items(Writer *w, const AItems *items, const AExpr *guard, Span closer);
void write_target(Writer *w, const ATarget *t);
void write_string(Writer *w, const char *s);

#endif
