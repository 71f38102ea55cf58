/* SPDX-License-Identifier: MIT */
/* The header of a function against one call of it. */
#ifndef TDC_HEADER_H
#define TDC_HEADER_H

#include "compiler/lower/value.h"

/* Inside a function an axis has the name that its header gives it; the caller's comes back with
 * the results. */
typedef struct AxisName {
  const char *local, *caller;
} AxisName;

typedef struct Header {
  Lowering *l;
  Scope *s; /* of the call */
  ADecl *decl;
  AxisName map[4 * IR_MAX_RANK];
  int nmap;
  AxisName blamed; /* of a result: the extent that is not the header's was said of another */
  Span dots_span;  /* the argument that says what `...` stands for */
  int first;       /* nodes from this one on were made by the body */
  Value **bound; /* the arguments, by formal, under their names in the body; once they are bound */
} Header;

/* -- lower_header.c --------------------------------------------------------------------- */
/* Is a bare formal also the name of an index: `o` of linear(x[..., d], o) -> y[..., o]? */
bool fn_names_index(const ADecl *d, const char *name);
/* Bind the arguments, one a formal, to the names of the header. False after an error. */
bool bind_formals(Header *h, Value **args, const Span *spans);
/* What a body left in a result, under the caller's identities; poison after an error. */
Value *result_value(Header *h, const AFormal *f);

/* -- lower_vjp.c ------------------------------------------------------------------------ */
/* Give the result the derivative that the `grad` clause says. */
void attach_gradient(Header *h);

#endif
