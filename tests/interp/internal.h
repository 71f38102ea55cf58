/* SPDX-License-Identifier: MIT */
/* What the files of the interpreter share. See interp.h. */
#ifndef TDC_TESTS_INTERP_INTERNAL_H
#define TDC_TESTS_INTERP_INTERNAL_H

#include <setjmp.h>

#include "tests/interp/interp.h"

enum { MAX_RANK = 8, MAX_INDICES = 24, MAX_ARGS = 24 };

/* ---- numbers ------------------------------------------------------------------------ */
typedef struct Number {
  InterpKind kind;
  double real;
  int64_t whole; /* of INTERP_WHOLE and INTERP_TRUTH */
  int node;      /* on the tape; 0: a constant */
} Number;

/* One operation on the tape: at most two arguments and the slopes by them. */
typedef struct TapeNode {
  int from[2];
  double slope[2];
  struct ClauseCall *call; /* NULL, or this is the first result of a call with a clause */
} TapeNode;

typedef struct Interp Interp;
typedef struct Context Context;
typedef struct Scope Scope;

/* ---- values ------------------------------------------------------------------------- */
typedef struct Axis {
  int64_t extent;
  const char *id; /* its identity, or NULL */
} Axis;

typedef enum { V_TENSOR, V_FUNCTION, V_DATA, V_PACK } ValueKind;

typedef struct Value {
  ValueKind kind;
  bool known;     /* a number that the compiler knows */
  const char *id; /* of a known number: the dim that it is; of symbols: whose they are */
  int64_t bound;  /* of id<bound>; 0: no such */
  int rank;
  Axis *axis;
  Number *at;          /* rank > 0 */
  Number one;          /* rank 0 */
  const ADecl *decl;   /* V_FUNCTION */
  Scope *home;         /* and the file it stands in */
  struct Value *parts; /* V_PACK */
  int nparts;
} Value;

typedef struct Binding {
  const char *name;
  Value value;
} Binding;
struct Scope {
  Scope *parent;
  VEC(Binding) names;
};

/* An index of a statement or a reducer, and where it is now. */
typedef struct Index {
  const char *name; /* NULL: of `...` or of an extent on the left */
  int64_t first, extent, now;
  const char *id;
  bool dots;
} Index;
typedef struct Frame {
  struct Frame *outer;
  Index at[MAX_INDICES];
  int n;
} Frame;

/* A call with a `grad` clause, which answers for its gradients. */
typedef struct ClauseCall {
  Context *f;
  const ADecl *decl;
  Value *given; /* by formal: what the caller gave, with its nodes */
  Value *bound; /* and what the body began with, without */
  Value *result;
} ClauseCall;

typedef struct Letter { /* a name in a header: an extent, and an identity in the body */
  const char *name;
  Axis axis;
  const char *caller; /* the identity outside */
  bool number;        /* a bare parameter that happens to be one */
} Letter;

typedef struct CallOf {
  const AExpr *call;
  Value value;
} CallOf;

/* A function while it runs. */
struct Context {
  Interp *in;
  Scope *scope, *home; /* home: the file that the function stands in */
  Letter letters[MAX_INDICES];
  int nletters;
  Axis dots[MAX_RANK];
  int ndots; /* -1: the header has none */
  Frame *frame;
  const ATarget *left;     /* of the statement; NULL: none, or without brackets */
  VEC(CallOf) calls;       /* whole calls of the statement, made once */
  const char *path;        /* of parameters: "net.gated" */
  int64_t turns[MAX_RANK]; /* of the loops around that stack parameters, and where each is */
  int64_t turn[MAX_RANK];
  int nturns;
};

typedef struct Parameter {
  const char *name;
  int rank;
  int64_t shape[MAX_RANK];
  int64_t count;
  Number *at;
} Parameter;

struct Interp {
  Arena *arena;
  Interner *names;
  const InterpOptions *o;
  jmp_buf *out;
  InterpStatus status;
  const char *why;
  Span where;
  Scope *core, *file;
  Scope counts; /* how many calls there were, by path */
  VEC(Parameter) parameters;
  bool taping, training;
  const Context *loss; /* the loss that runs, which knows its step; NULL: a model does */
  int dry;             /* > 0: only kinds and shapes are asked for */
  VEC(TapeNode) tape;
  double *adjoint;
  int depth;
  Value objective;
  bool has_objective;
};

/* `step` or `steps` in the loss itself. */
bool counts_steps(const Context *c, const char *name);

_Noreturn void give_up(Interp *in, InterpStatus s, Span at, const char *fmt, ...) TD_PRINTF(4, 5);
#define UNCOVERED(in, at, ...) give_up(in, INTERP_NOT_COVERED, at, __VA_ARGS__)

/* -- number.c: scalars, and the tape -------------------------------------------------- */
Number real_number(double x);
Number whole_number(int64_t x);
Number truth(bool x);
double real_of(Number a);
Number as_real(Number a);
Number leaf(Interp *in, double x); /* a number on the tape that comes from nowhere */
/* floors: division of integers rounds down. Whole numbers that leave 64 bits have no value. */
Number binary(Interp *in, AOp op, Number a, Number b, bool floors, Span at);
Number unary(Interp *in, AOp op, Number a, Span at);
/* `name` is one of the functions of numbers; false: it is not. */
bool is_function_of_numbers(const char *name);
Number apply(Interp *in, const char *name, const Number *a, int n, Span at);
Number extreme(Interp *in, bool most, Number a, Number b); /* the first of equals; a NaN wins */
void check_kept(Interp *in, Number a, Span at);            /* what a name holds has 32 bits */
void sweep(Interp *in, int from); /* adjoints of all nodes before it; its own is 1 */

/* -- value.c: tensors ----------------------------------------------------------------- */
Value scalar(Number x);
Value known(Number x, const char *id);
Value tensor(Interp *in, int rank, const Axis *axis);
int64_t count_of(const Value *v);
Number *cells(Value *v);
const Number *cells_of(const Value *v);
void agree(Value *v); /* elements of one kind: integers become real beside real ones */
/* Axes of the widest, which has those of all others; at[i] steps through operand i. */
Value widest(Interp *in, const Value *v, int n, Span at);
Number aligned(const Value *v, const Value *wide, int64_t i);
Value *find_here(Scope *s, const char *name);
Value *find_name(Scope *s, const char *name);
void define(Interp *in, Scope *s, const char *name, Value v);
Scope *scope_below(Interp *in, Scope *parent);

/* -- index.c: how far indices run ----------------------------------------------------- */
Index *find_index(const Context *c, const char *name);
/* The range of index `name` whose scope is `e` and `guard`; item: as it is written, or NULL. */
Index index_of(Context *c, const char *name, const AItem *item, const AExpr *const *where, int n,
               Span at);
/* Indices that are neither bound nor values. */
int free_indices(Context *c, const AExpr *e, const char **out, int most);
bool is_product(const AExpr *e);
bool first_point(Frame *f);
bool next_point(Frame *f);
Letter *find_letter(Context *c, const char *name);

/* -- expr.c --------------------------------------------------------------------------- */
Value eval(Context *c, const AExpr *e, bool between_brackets);
Number eval_number(Context *c, const AExpr *e, bool between_brackets);
int64_t eval_extent(Context *c, const AExpr *e, const char **id);
/* The value of a call that is indexed at once, made once for a statement. */
Value whole_call(Context *c, const AExpr *e);

/* -- reduce.c ------------------------------------------------------------------------- */
const char *bound_by(const AItem *it); /* the index that an item of a reducer binds, or NULL */
Number reduce(Context *c, const AExpr *e);
Number sum_over(Context *c, Frame *f, const AExpr *body);

/* -- call.c --------------------------------------------------------------------------- */
Value call(Context *c, const AExpr *e);
Context *context_of(Interp *in, Scope *home, const char *path);
/* The body of d with its formals bound: its results. */
Value run_function(Context *f, const ADecl *d);
/* Formals and what is given for them, NULL for a default. */
void bind_arguments(Context *f, const ADecl *d, const Value *const *given);
void clause_gradients(Interp *in, ClauseCall *k);

/* -- stmt.c --------------------------------------------------------------------------- */
void run_body(Context *c, const AStmts *body);
/* What stands right of `t =`, with t's indices. */
Value assigned(Context *c, const ATarget *t, const AExpr *e);

/* -- loop.c --------------------------------------------------------------------------- */
void run_loop(Context *c, const AStmt *s);

/* -- param.c -------------------------------------------------------------------------- */
void run_param(Context *c, const AStmt *s);
const char *path_below(Context *c, const char *name);

#endif
