/* SPDX-License-Identifier: MIT */
/* The graph: what every pass reads and writes, between the checked program and
 * the kernels. One node kind, the comprehension, carries almost everything:
 *
 *     Y[o0, o1, ...] = reduce over r0, r1, ... where guard ( body )
 *
 * `body` and `guard` are hash-consed scalar expressions over index variables,
 * reads of other nodes at affine or data-dependent indices, and primitives
 * (ops.def). Transposes, slices, concatenation and broadcasting are index maps;
 * there are no movement nodes. Layers and time steps are loops with a body
 * region, never unrolled. IR.md specifies the textual form. */
#ifndef TDC_IR_H
#define TDC_IR_H

#include "compiler/ir/expr.h"
#include "dsl/diag.h"

/* The range of a stored integer: every value of a node of type int lies in it but the
 * step's. An empty max yields the least, an empty min the greatest of them; `int` saturates. */
enum { IR_INT_MIN = INT32_MIN, IR_INT_MAX = INT32_MAX };

typedef struct Region Region;

/* ---- nodes --------------------------------------------------------------- */
typedef enum {
  N_INPUT,    /* bound at each call: tokens, a scalar                        */
  N_STATE,    /* persistent and named: parameters, moments, sampler state   */
  N_CONST,    /* a table known at compile time: data                         */
  N_VIEW,     /* shape over base[offset ...], base a flat (rank 1) node      */
  N_PACK,     /* rank 1: the parts' elements one after another               */
  N_COMP,     /* a comprehension                                             */
  N_SCATTER,  /* Y = 0; for all vars where guard: Y[index] += body           */
  N_LOOP,     /* runs loop->body loop->count times; has no value itself      */
  N_CARRY,    /* in a body: a carried value at the start of the iteration    */
  N_FINAL,    /* after a loop: a carried value at its end                    */
  N_STACK,    /* after a loop: [count, ...] what each iteration emitted; row i
                   comes from the iteration whose counter is i                */
  N_COTANGENT /* placeholder inside a user's `grad` clause; see Vjp          */
} NodeKind;

/* RED_ARGMAX yields the flat position (row-major over the reduced variables)
 * of the first maximum. An empty reduction yields 0, -inf, +inf, 1, 0. */
typedef enum { RED_NONE, RED_SUM, RED_MAX, RED_MIN, RED_PROD, RED_ARGMAX } Reducer;
const char *reducer_name(Reducer r);

typedef enum { SAVE_AUTO, SAVE_KEEP, SAVE_RECOMPUTE } SavePolicy;

/* A user's own derivative: `adjoint[k]` are nodes computed from `cotangent`
 * (and anything else before them) whose values are the adjoints of `wrt[k]`.
 * The node that carries it is a barrier to differentiation. Without wrt it is a
 * constant to it, and `cotangent` may be NULL. */
typedef struct Vjp {
  Node *cotangent;
  VEC(Node *) wrt;
  VEC(Node *) adjoint;
  bool nocheck; /* meant to differ from the derivative */
} Vjp;

struct Node {
  NodeKind kind;
  int id; /* dense over the graph */
  Type type;
  int rank;
  int64_t shape[IR_MAX_RANK];
  int64_t lo, hi;                /* TY_INT: every value lies in lo .. hi, inclusive */
  const char *name;              /* as in the source: "layer.q"; never NULL, not unique */
  const char *axis[IR_MAX_VARS]; /* index names for readable output, of a comprehension's reduced
                                   variables too; may be NULL */
  Span span;                     /* the .td line it came from */
  VEC(Span)
  users; /* lines of the user's own file that made it: the statement itself, the call
                      of the library whose statement it is; for an adjoint those through which
                      it was differentiated */
  Region *region;

  /* N_COMP, N_SCATTER: variables 0 .. rank-1 are the output indices of a
   * comprehension, the rest are reduced; a scatter's variables are all
   * iterated and `index` says where each value goes. */
  Reducer reducer;
  int nvars;
  int64_t extent[IR_MAX_VARS];
  Expr *guard; /* NULL = true */
  Expr *body;
  Expr *index[IR_MAX_RANK]; /* N_SCATTER */

  SavePolicy save;
  bool again; /* made by recompute.c: another loop computed the same value before */
  Vjp *vjp;   /* or NULL */

  const double *data; /* N_CONST: row-major, all types as doubles */
  Node *base;         /* N_VIEW */
  int64_t offset;     /* N_VIEW, in elements */
  VEC(Node *) parts;  /* N_PACK */
  Loop *loop;         /* N_LOOP, N_CARRY, N_FINAL, N_STACK */
  int slot;           /* N_CARRY, N_FINAL: index into loop->carries; N_STACK: into loop->emits */

  int mark;   /* scratch of the running pass; 0 on entry and exit */
  void *note; /* the same */
};

typedef struct Carry {
  Node *init; /* outside, same shape and type */
  Node *in;   /* N_CARRY */
  Node *next; /* in the body (or outside, or `in` itself) */
} Carry;

struct Loop {
  int id; /* dense over the graph */
  int64_t count;
  bool reverse;    /* counter runs count-1 .. 0 */
  const char *var; /* its name, for output */
  Node *node;      /* the N_LOOP */
  Region *body;
  VEC(Carry) carries;
  VEC(Node *) emits; /* body nodes stacked by N_STACK */
};

/* A list of nodes in an order in which every node follows what it reads. A
 * body may read nodes of the regions around it. */
struct Region {
  VEC(Node *) nodes;
  Loop *loop; /* NULL for the top region */
  Region *parent;
};

typedef struct Update {
  Node *state, *value;
} Update; /* state := value, all at once, at the end */
typedef struct Output {
  const char *name;
  Node *node;
} Output;

struct Graph {
  Arena *arena;
  Interner *names;
  const char *name; /* of the entry: "train", "step", ... */
  Region *top;
  VEC(Node *) nodes; /* every node ever made, by id */
  VEC(Loop *) loops;
  VEC(Output) outputs;
  VEC(Update) updates;
  Node *step; /* rank-0 int N_INPUT "step" or NULL; also the draws' counter */
  Span user;  /* where new nodes come from (Node.users); line 0: from their own span */
  /* hash-consing */
  Expr **table;
  uint32_t table_size;
  int nexprs;
  struct ExprWalk *walks;    /* idle scratch of walks over expressions (walk.c) */
  struct ReadScratch *reads; /* scratch of ir_each_read (ir.c) */
};

/* -- ir.c -------------------------------------------------------------------- */
/* One more line in n->users, unless it is there. */
void ir_add_user(Graph *g, Node *n, Span user);
void ir_put_before(Node *last, const Node *at); /* the last node of its region goes before `at` */
void ir_same_users(Graph *g, Node *n, const Node *as); /* those, in place of n's */
Graph *graph_new(Arena *a, Interner *names, const char *name);

Node *ir_node(Graph *g, Region *r, NodeKind kind, Type type, int rank, const int64_t *shape,
              const char *name, Span span); /* appended to r */
Node *ir_input(Graph *g, const char *name, Type type, int rank, const int64_t *shape, int64_t lo,
               int64_t hi, Span at);
Node *ir_state(Graph *g, const char *name, Type type, int rank, const int64_t *shape, Span at);
Node *ir_const(Graph *g, Region *r, const char *name, Type type, int rank, const int64_t *shape,
               const double *data, Span at);
/* A comprehension: rank output extents, then nred reduced ones. Type and
 * integer bounds follow from reducer and body. */
Node *ir_comp(Graph *g, Region *r, const char *name, Span at, int rank, int nred,
              const int64_t *extent, Reducer red, Expr *guard, Expr *body);
/* A comprehension over the same variables. */
Node *ir_comp_like(Graph *g, Region *r, const Node *n, Expr *guard, Expr *body);
Node *ir_scatter(Graph *g, Region *r, const char *name, Span at, int rank, const int64_t *shape,
                 int nvars, const int64_t *extent, Expr *const *index, Expr *guard, Expr *body);
Node *ir_view(Graph *g, Region *r, const char *name, Node *base, int64_t offset, int rank,
              const int64_t *shape, Span at);
Node *ir_pack(Graph *g, Region *r, const char *name, Node *const *parts, int n, Span at);
/* A loop: make it, add carries, fill loop->body, set each carry's next, add
 * emits; ir_final and ir_stack give the results (appended to the region that
 * holds the loop, one node for each slot, made once). */
Loop *ir_loop(Graph *g, Region *r, const char *var, int64_t count, bool reverse, Span at);
Node *ir_carry(Graph *g, Loop *l, const char *name, Node *init); /* returns the N_CARRY */
Node *ir_final(Graph *g, Loop *l, int carry);
Node *ir_stack(Graph *g, Loop *l, Node *value);        /* adds the emit if it is new */
Node *ir_stack_behind(Graph *g, Loop *l, Node *value); /* the same, right behind the loop's node */
/* read n at the node's own output variables: n[v0, v1, ...] */
Expr *ir_read_all(Graph *g, Node *n);
int64_t ir_count(const Node *n);                    /* elements; shapes were checked */
bool ir_visible(const Region *from, const Node *n); /* may a node in `from` read n? */
/* Every node that n reads (each once), its index reads included; for N_LOOP:
 * inits, outer nodes its body reads. Calls f for each. */
void ir_each_read(Graph *g, Node *n, void (*f)(Node *read, void *ctx), void *ctx);
bool ir_reads(Graph *g, Node *n, const Node *of); /* is `of` among them? */
/* Every expression of n: body, guard, where a scatter's values go. */
void ir_visit_exprs(Graph *g, Node *n, ExprVisit *f, void *ctx);
bool ir_inside(const Region *r, const Loop *l); /* is r in l's body, at any depth? */
bool ir_computes(const Node *n);                /* by a body: N_COMP or N_SCATTER */
bool ir_is_map(const Node *n);                  /* a comprehension that reduces nothing */
int64_t ir_evaluations(const Node *n);          /* of its body */

/* -- prune.c ---------------------------------------------------------------- */
/* Remove from every region the nodes that no output or update needs. */
void ir_prune(Graph *g);
/* By node id: what the values of these nodes need; roots NULL: those of outputs and updates. */
const uint8_t *ir_needed(Graph *g, Node *const *roots, int n);
/* A cotangent that an output or an update needs, which has no value; NULL: there is none. */
const Node *ir_missing(Graph *g);
/* Forgets the derivatives that were given, since they were taken, and prunes. */
void ir_drop_derivatives(Graph *g);

#endif
