/* SPDX-License-Identifier: MIT */
/* Inside the printer of the textual form (IR.md): names and expressions. */
#ifndef TDC_PRINT_H
#define TDC_PRINT_H

#include "compiler/ir/ir.h"

/* Of an expression, within one node. */
typedef struct PrintInfo {
  int epoch;
  int uses;
  int weight; /* of its text, in leaves and operators */
  int height; /* of its text; what is bound counts as a leaf */
  int let;    /* its number, or 0 */
} PrintInfo;

typedef struct Printer {
  Graph *g;
  Arena *arena; /* freed after printing */
  StrBuf *out;
  Node *node;                   /* being printed */
  const char *var[IR_MAX_VARS]; /* its variables' names */
  bool named[IR_MAX_VARS];      /* they are the axis names */
  int *ordinal;                 /* by node id: 1 for the first of its name */
  PrintInfo *info;              /* by expression id */
  int epoch;
  int lets;
  VEC(Expr *) bound;
  int indent;
} Printer;

/* -- print_expr.c */
void print_name(Printer *p, const Node *n);
/* With parentheses where an operand of that level (spelling.h) needs them. */
void print_expr(Printer *p, Expr *e, int level);
/* Before a node is printed: what is shared in it, in p->bound, is to be printed once, as
 * `$1 = ...`. Afterwards that is forgotten. */
void print_exprs_begin(Printer *p, Node *n);
void print_exprs_end(Printer *p);

#endif
