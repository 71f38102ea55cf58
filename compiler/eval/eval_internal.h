/* SPDX-License-Identifier: MIT */
/* Inside the evaluator: a node's expressions as a straight program over lanes.
 *
 * Every distinct subexpression has a slot. A slot's depth is one more than its
 * deepest variable, and its instruction runs when that variable steps, so what
 * does not depend on an inner loop is not computed there. The innermost
 * variable is stepped in strips of lanes.
 *
 * `select`, `and` and `or` are lazy: an out-of-bounds read that they do not ask
 * for is no error. Instead of branching, a read that may fail yields some value
 * and marks its lane as poisoned; poison flows with the values, a select passes
 * on that of the arm it takes, and only poison in a result is an error. */
#ifndef TDC_EVAL_INTERNAL_H
#define TDC_EVAL_INTERNAL_H

#include "compiler/eval/eval.h"

enum { STRIP = 128 };

typedef union Cell {
  double d;
  int64_t i;
} Cell;

typedef struct Slot Slot;
struct Slot {
  Expr *e;
  int depth;
  bool wide;              /* holds a whole strip: innermost, or used there */
  Slot *arg[IR_MAX_RANK]; /* of E_READ in bounds: arg[0] is the flat index without `step` */
  int nargs;
  int64_t step;       /* of the flat index by the innermost variable */
  bool in_bounds;     /* E_READ: proved */
  const double *from; /* E_READ: the storage */
  int64_t stride[IR_MAX_RANK];
  const int64_t *counter; /* E_LOOPVAR */
  Cell *reg;              /* 1 or STRIP lanes */
  uint8_t *poison;        /* the same, or NULL: cannot fail */
};

typedef struct Code {
  Node *node;
  Slot **run[IR_MAX_VARS + 1]; /* by depth, in order */
  int nrun[IR_MAX_VARS + 1];
  Slot *var[IR_MAX_VARS]; /* slot of each variable or NULL */
  Slot *guard, *body;     /* guard: NULL = true */
  Slot *index[IR_MAX_RANK];
  Slot *factor[2]; /* a sum of products of these two reads, in bounds; or NULL: any other */
} Code;

typedef struct EvalNode {
  double *value; /* the storage, or inside its base's */
  bool owned;
  bool undefined; /* depends on a cotangent placeholder */
  Code *code;
} EvalNode;

struct Eval {
  Graph *g;
  Arena *arena;
  uint64_t seed;
  int64_t step;
  EvalNode *node; /* by node id */
  int nnodes;
  int64_t *counter; /* by loop id */
  double *scratch;  /* for moving carries and updates */
  const char *error;
  /* compiling */
  Slot **slot_of; /* by expression id, of the node being compiled */
  int *stamp;
  int cap, epoch;
};

/* -- eval_code.c */
Code *code_new(Eval *ev, Node *n);
/* -- eval_run.c */
bool code_run(Eval *ev, Code *code); /* false: ev->error is set */
/* -- eval_ops.c: compute lanes 0 .. n-1 of one slot */
void slot_run(const Eval *ev, Slot *s, int64_t start, int n);

#endif
