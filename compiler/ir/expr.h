/* SPDX-License-Identifier: MIT */
/* What the files about expressions share and nobody else needs: raw
 * hash-consing, walks with scratch, and integer sums in canonical form. */
#ifndef TDC_EXPR_H
#define TDC_EXPR_H

#include "compiler/ir/ir.h"

/* -- expr.c ----------------------------------------------------------------- */
/* The primitive as it stands, without any folding. */
Expr *expr_prim_raw(Graph *g, Prim p, Type type, Expr *const *args);

/* -- walk.c ------------------------------------------------------------------ */
/* All distinct subexpressions of one expression, arguments first, each with a
 * slot. Take one, use it, give it back: walks may nest. */
static inline uint32_t expr_var_bit(int64_t var) { return 1u << (var < 31 ? var : 31); }

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

/* -- linear.c ------------------------------------------------------------------ */
enum { LINEAR_MAX = 24 };
typedef struct Term {
  int64_t coef;
  Expr *atom;
} Term;
/* constant + sum coef * atom: index variables by number, then loop counters,
 * then everything else in order of appearance; no coefficient is 0. */
typedef struct Linear {
  int64_t constant;
  int n;
  Term term[LINEAR_MAX];
} Linear;

void linear_init(Linear *s);
/* s += coef * e; false when it overflows or has too many terms. */
bool linear_add(Linear *s, Expr *e, int64_t coef);
Expr *linear_build(Graph *g, const Linear *s);
/* The integer primitives that have a canonical form; NULL: none found. */
Expr *linear_fold(Graph *g, Prim p, Expr *const *args);

#endif
