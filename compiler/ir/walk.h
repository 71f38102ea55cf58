/* SPDX-License-Identifier: MIT */
/* Walks over one expression with a value for each subexpression, in scratch that
 * the graph keeps. For a plain visit ex_visit and ex_map (expr.h) do. */
#ifndef TDC_WALK_H
#define TDC_WALK_H

#include "compiler/ir/expr.h"

/* All distinct subexpressions of one expression, arguments first, each with a
 * slot. Take one, use it, give it back: walks may nest. */
typedef struct ExprWalk ExprWalk;
struct ExprWalk {
  Expr **order; /* the subexpressions */
  int n;
  int cap_order;
  int *slot;       /* by expression id: position in `order` */
  uint32_t *stamp; /* by expression id: == epoch when slot holds */
  int cap_ids;
  uint32_t epoch;
  struct {
    Expr *e;
    int next;
  } * stack;
  int cap_stack;
  void *value; /* n * value_size bytes, zeroed by walk_values */
  size_t cap_value;
  ExprWalk *next; /* in the list of idle ones */
};
ExprWalk *walk_take(Graph *g, Expr *root);
void walk_give(Graph *g, ExprWalk *w);
void *walk_values(Graph *g, ExprWalk *w, size_t value_size);
#define walk_slot(w, e) ((w)->slot[(e)->id])

#endif
