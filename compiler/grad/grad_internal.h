/* SPDX-License-Identifier: MIT */
/* What the files of the reverse-mode pass share. See grad.c for the contract of
 * the pass; language.md's rule is the definition of every adjoint here:
 *
 *     Y[o] = sum_{r | P} f(X[p(o,r)], ...)   ==>   dX[p(o,r)] += P ? dY[o] * df/dX : 0
 */
#ifndef TDC_GRAD_INTERNAL_H
#define TDC_GRAD_INTERNAL_H

#include "compiler/ir/ir.h"

enum { E_NOT_DIFFERENTIABLE = 501, E_INTEGER_PATH = 502, E_GRADIENT_RANK = 506 };

/* A scalar that counts only where `guard` holds (NULL: everywhere). The value
 * may be anything, NaN included, where the guard is false. */
typedef struct Guarded {
  Expr *guard, *value;
} Guarded;
typedef VEC(Guarded) GuardedList;

/* What one read of an active node receives, summed. */
typedef struct ReadAdjoint {
  Expr *read;
  Guarded share;
} ReadAdjoint;
typedef VEC(ReadAdjoint) ReadAdjoints;

/* One contribution as the definition states it:
 * for all variables: dX[index] += guard ? value : 0. */
typedef struct Share {
  int nvars;
  int64_t extent[IR_MAX_VARS];
  const char *axis[IR_MAX_VARS]; /* names, for output; or NULL */
  Expr *index[IR_MAX_RANK];
  Expr *guard, *value;
  Span span;
} Share;

/* The same, solved for X's axes: variables 0 .. rank-1 are the axes, the `nred`
 * after them are summed. When `scatter` is set it could not be solved and
 * `share` stands as it is. */
typedef struct Term {
  bool scatter;
  int nred;
  int64_t extent[IR_MAX_VARS];
  const char *axis[IR_MAX_VARS]; /* of the summed variables; or NULL */
  Expr *guard, *value;
  Share *share;
  Node *view; /* a flat base's share that is this node's elements, at `offset` */
  int64_t offset;
  Span span;
  Span user; /* Graph.user when it was made */
} Term;

/* The adjoint of one node: terms while its readers are visited, then a value,
 * a node or (constants and the like) an expression over the axes. */
typedef struct Adjoint {
  VEC(Term) terms;
  bool closed;
  Node *node;
  Expr *inlined;
} Adjoint;

/* What a node is to its adjoint: the shape and the words for readable output. */
typedef struct Like {
  int rank;
  const int64_t *shape;
  const char *name;
  const char *const *axis;
  Span span;
} Like;

/* The part of an outer node's adjoint that a loop body computes: the axes whose
 * index is the same for the whole iteration are `fixed` to it, and left out of
 * `adjoint`. `sliced`: the loop's own counter is among them, so every iteration
 * has its own place and the parts are stacked; else they are summed in a carry. */
typedef struct OuterAdjoint {
  Node *node;
  Expr *fixed[IR_MAX_RANK]; /* NULL: a free axis */
  bool sliced;
  int rank; /* free axes */
  int64_t shape[IR_MAX_RANK];
  const char *axis[IR_MAX_RANK];
  Adjoint *adjoint;
  Span span;
} OuterAdjoint;

/* A contribution from a body to a node outside, kept until the body is whole. */
typedef struct Pending {
  Node *node;
  Share share;
  bool hoisted;
} Pending;

typedef struct GradPass GradPass;

/* A forward region and the region its adjoints go to: the same at the top,
 * another loop's body below it. */
typedef struct GradFrame GradFrame;
struct GradFrame {
  GradPass *pass;
  GradFrame *parent; /* NULL at the top */
  Region *forward, *backward;
  Loop *forward_loop, *backward_loop;
  VEC(Pending) pending;
  VEC(OuterAdjoint) outer;
};

struct GradPass {
  Graph *graph;
  Diags *diags;
  Arena *arena;
  int nnodes;       /* nodes when the pass began: only these carry gradients */
  bool *depends;    /* by node: a wrt reaches it (differentiably, integers included) */
  bool *reaches;    /* by node: it reaches the loss */
  Adjoint *adjoint; /* by node */
  Node **clone;     /* by node: computed again in a backward body */
  VEC(Node *) late; /* nodes for results only: they move up to what they read */
  int *slot;        /* scratch by expression: place in a visit's list */
  int slots;
  char *finite; /* by expression: 0 unknown, 1 finite, 2 not for certain */
  int nfinite;
  int errors;
};

/* -- grad_activity.c: which nodes carry gradients ---------------------------- */
void grad_activity(GradPass *p, Node *loss, Node *const *wrt, int n);
bool grad_active(const GradPass *p, const Node *n);
/* Distinct subexpressions of root, arguments first; slot[e->id] is the place.
 * `depends[i]` tells whether a wrt reaches expression i. */
typedef struct ExprOrder {
  VEC(Expr *) at;
  bool *depends;
} ExprOrder;
void grad_order(GradPass *p, Expr *root, ExprOrder *out);
/* Does primitive p pass dependence from argument k? `real` of an integer does:
 * where that meets a gradient it is the user's error. */
bool grad_passes(const Expr *e, int k);

/* -- grad_expr.c: adjoints of scalar expressions ------------------------------ */
Expr *guard_select(Graph *g, Guarded x); /* guard ? value : 0 */
bool expr_has_read(Graph *g, Expr *e);
void grad_expr(GradPass *p, Node *owner, Expr *root, Expr *root_value, const GuardedList *seeds,
               ReadAdjoints *out);

/* -- grad_steep.c: derivatives that may be infinite ------------------------------ */
bool grad_may_be_infinite(GradPass *p, const Expr *e);
/* Of the derivative d of e, whose value is y: must a zero be kept from it? */
bool grad_is_steep(GradPass *p, const Expr *d, const Expr *e, const Expr *y);

/* -- grad_index.c: contributions solved for the axes they go to ---------------- */
bool grad_invert(Graph *g, int rank, const int64_t *shape, const Share *s, Term *out);

/* -- grad_values.c: forward values as a backward body sees them ---------------- */
Expr *grad_frame_expr(GradFrame *f, Expr *e);
/* Nodes that compute vjp->adjoint[k] from `cotangent` in the frame's backward region. */
void grad_frame_vjp(GradFrame *f, const Vjp *vjp, Node *cotangent, const bool *wanted,
                    Node **adjoint);

/* -- grad_adjoint.c: sums of contributions -------------------------------------- */
Like adjoint_like(const Node *n);
void adjoint_add(GradPass *p, Adjoint *a, const Like *like, const Share *s);
void adjoint_add_view(GradPass *p, Adjoint *a, const Node *base, Node *view, int64_t offset,
                      Span at);
/* Settle the value; false when nothing contributed. `r`: where new nodes go. */
bool adjoint_close(GradPass *p, Region *r, Adjoint *a, const Like *like);
/* The settled value at an index, or as a node. */
Expr *adjoint_read(GradPass *p, const Adjoint *a, Expr *const *index);
Node *adjoint_node(GradPass *p, Region *r, Adjoint *a, const Like *like);
Node *adjoint_zeros(GradPass *p, Region *r, const Like *like);

/* Nodes appended to r since it had n of them are for results only: remember them,
 * and, when r is whole, move them up to just behind what they read, so that
 * their operands need not live until the end. */
void adjoint_late(GradPass *p, const Region *r, int n);
void adjoint_move_up(GradPass *p, Region *r);

/* -- grad_loop.c: loops ------------------------------------------------------------ */
void grad_loop(GradFrame *f, Node *loop);
/* A contribution from a loop body to a node outside it. */
void grad_outer(GradFrame *f, Node *x, const Share *s);

/* -- grad.c: the pass ---------------------------------------------------------------- */
void grad_region(GradFrame *f);
void grad_contribute(GradFrame *f, Node *x, const Share *s);
/* The contribution dX[v] += value, over all of X. */
void grad_contribute_all(GradFrame *f, Node *x, Expr *value);

#endif
