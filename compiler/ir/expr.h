/* SPDX-License-Identifier: MIT */
/* Scalar expressions over index variables, reads of nodes at affine or
 * data-dependent indices, and primitives. They are hash-consed in their graph:
 * equal pointers iff equal. */
#ifndef TDC_EXPR_H
#define TDC_EXPR_H

#include "compiler/ir/prims.h"

enum { IR_MAX_RANK = 8, IR_MAX_VARS = 16 };

typedef struct Graph Graph;
typedef struct Node Node;
typedef struct Loop Loop;
typedef struct Expr Expr;

typedef enum {
  E_NUM,     /* real constant                    num                       */
  E_INT,     /* integer constant                 inum                      */
  E_BOOL,    /* true, false                      inum                      */
  E_VAR,     /* index variable of the node: 0 .. nvars-1   inum
                   (any number while lowering; see lower.h)                   */
  E_LOOPVAR, /* counter of an enclosing loop     loop                      */
  E_READ,    /* node[args]                       node, args (node->rank)   */
  E_PRIM     /* prim(args)                                                 */
} ExprKind;

struct Expr {
  ExprKind kind;
  Type type;
  Prim prim;
  int nargs;
  int id; /* dense, in order of creation */
  uint32_t hash;
  uint32_t vars;             /* bit k: variable k occurs; bit 31: one from 31 up does */
  bool reads, counts, draws; /* holds a read, a loop counter, a random draw */
  int64_t inum;
  double num;
  Node *node;
  Loop *loop;
  Expr **args;
};

/* The bit of Expr.vars that stands for a variable. */
static inline uint32_t expr_var_bit(int64_t var) { return 1u << (var < 31 ? var : 31); }

/* -- expr.c: one object for each expression --------------------------------- */
Expr *ex_num(Graph *g, double x);
Expr *ex_int(Graph *g, int64_t x);
Expr *ex_bool(Graph *g, bool x);
Expr *ex_var(Graph *g, int var);
Expr *ex_loopvar(Graph *g, Loop *loop);
Expr *ex_read(Graph *g, Node *n, Expr *const *index); /* n->rank indices */
/* The primitive as it stands, without any folding. */
Expr *expr_prim_raw(Graph *g, Prim p, Type type, Expr *const *args);
bool ex_is_zero(const Expr *e);
bool ex_is_one(const Expr *e);
bool ex_is_prim(const Expr *e, Prim p);
int ex_bare_var(const Expr *e); /* the variable that e is, or -1 */

/* -- fold.c: primitives as they are usually made ---------------------------- */
/* Primitives fold constants and apply the identities that hold for every
 * argument (x + 0, x * 1, select(true, ..), i - i of integers, ...), never one
 * that is wrong for NaN or infinity. Types are asserted. */
Expr *ex_prim(Graph *g, Prim p, Expr *const *args);
Expr *ex1(Graph *g, Prim p, Expr *a);
Expr *ex2(Graph *g, Prim p, Expr *a, Expr *b);
Expr *ex3(Graph *g, Prim p, Expr *a, Expr *b, Expr *c);
Expr *ex_and(Graph *g, Expr *a, Expr *b); /* NULL: true; a protects the reads of b */

/* -- walk.c: from subexpression to subexpression ---------------------------- */
/* Rebuild e with variable k replaced by map[k] (NULL: kept). */
Expr *ex_subst(Graph *g, Expr *e, Expr *const *map, int nmap);
/* The same where map holds something for n variables at most, those in vars. */
Expr *ex_subst_some(Graph *g, Expr *e, Expr *const *map, int nmap, const int *vars, int n);
/* Rebuild e bottom-up: `f` sees every expression after its arguments were
 * rebuilt, and returns it or something else. */
typedef Expr *ExprMap(Graph *g, Expr *e, void *ctx);
Expr *ex_map(Graph *g, Expr *e, ExprMap *f, void *ctx);
/* Rebuild e with one subexpression replaced by another. */
Expr *ex_replace(Graph *g, Expr *e, const Expr *from, Expr *to);
/* Visit every distinct subexpression once, arguments first. */
typedef void ExprVisit(Expr *e, void *ctx);
void ex_visit(Graph *g, Expr *e, ExprVisit *f, void *ctx);
/* Only what is computed whatever the values are: of a choice the condition, of && and || the left
 * side. */
void ex_visit_eager(Graph *g, Expr *e, ExprVisit *f, void *ctx);
uint32_t ex_vars(Graph *g, const Expr *e); /* bit k: variable k occurs */
/* What one evaluation costs, in additions of reals; arithmetic on integers is free. */
double ex_cost(Graph *g, Expr *e);
double ex_own_cost(const Expr *e); /* without its arguments */
bool ex_has_loopvar(Graph *g, const Expr *e, const Loop *loop);

/* -- linear.c --------------------------------------------------------------- */
/* e = sum coef[k] * var(k) + rest, where `rest` is constant or holds loop
 * variables and reads but no index variable; false when e is not of that form. */
typedef struct Affine {
  int64_t coef[IR_MAX_VARS];
  Expr *rest;
} Affine;
bool ex_affine(Graph *g, Expr *e, Affine *out);

/* -- interval.c -------------------------------------------------------------- */
/* Interval of an integer expression given the variables' extents (a node's
 * nvars/extent); reads use the node's lo..hi. False when unbounded. */
bool ex_interval(Graph *g, const Expr *e, const int64_t *extent, int nvars, int64_t *lo,
                 int64_t *hi);
/* The same where it is known besides that some subexpressions lie within bounds. */
typedef struct ExBound {
  const Expr *e;
  int64_t lo, hi; /* INT64_MIN, INT64_MAX: none */
} ExBound;
bool ex_interval_given(Graph *g, const Expr *e, const int64_t *extent, int nvars,
                       const ExBound *given, int ngiven, int64_t *lo, int64_t *hi);
/* Does e lie in 0 .. limit - 1 whatever the variables are? */
bool ex_in_range(Graph *g, const Expr *e, const int64_t *extent, int nvars, int64_t limit);
/* Are all reads in e (NULL: none) in bounds, whatever their conditions? */
bool ex_reads_in_range(Graph *g, Expr *e, const int64_t *extent, int nvars);

#endif
