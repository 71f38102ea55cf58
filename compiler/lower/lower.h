/* SPDX-License-Identifier: MIT */
/* Checked AST to graph: names, kinds, extents, axis identities and range
 * proofs are settled while an entry is instantiated, because ops are
 * rank-polymorphic and every extent is known by then. Internal to compiler/lower/,
 * unit.c and the trials of compiler/check/. Here stands what all of them share:
 * the state, the errors, and the functions that call each other because
 * expressions nest; scope.h, value.h, index.h, entry.h, tables.h have the rest.
 *
 * While a statement is being lowered, index variables are *symbolic*: E_VAR
 * with a number unique in the unit. A value is a lambda over symbolic
 * variables, so indexing is substitution, whole-tensor arithmetic is unifying
 * variables, and an op inlined inside an indexed expression simply has further
 * free variables. `value_node` turns a lambda into a comprehension. */
#ifndef TDC_LOWER_H
#define TDC_LOWER_H

#include "compiler/unit.h"

typedef struct Lowering Lowering;
typedef struct Value Value;
typedef struct Scope Scope;
typedef struct Fn Fn;
typedef struct Frame Frame;
typedef struct Table Table;
typedef struct DiffusionSchedule DiffusionSchedule;
typedef struct Data Data;
typedef struct Parameter Parameter;
typedef struct Entry Entry;

/* ---- the state ----------------------------------------------------------------------- */
typedef struct LoopContext {
  struct LoopContext *parent;
  Loop *loop;
  bool stacks; /* `for`: parameters made inside get a leading axis; `scan` shares them */
} LoopContext;

typedef struct CallContext {
  struct CallContext *parent;
  const char *name;
  Span span; /* no place: nothing calls it, it is only checked */
  ADecl *decl;
} CallContext;

typedef struct PathCount {
  const char *key;
  int n;
} PathCount;

typedef struct FrameOf {
  const AExpr *reduce;
  Frame *frame;
} FrameOf;

typedef struct CallOf {
  const AExpr *call;
  Value *value;
} CallOf;

typedef struct Unknown {
  const char *name;
  const Scope *function;
} Unknown;

/* An axis that a header gives one extent and an argument another. */
typedef struct Contradiction {
  const AFormal *formal;
  int axis;
  int64_t want, got;
} Contradiction;

/* A const, dim or axis that -D reaches, as it leaves it. */
typedef struct OwnNumber {
  ADeclKind kind;
  const char *name;
  const AExpr *value;
  bool given; /* by -D */
} OwnNumber;

struct Lowering {
  Arena *arena;
  Interner *names;
  Diags *d;
  const UnitOptions *options;
  Unit *unit;

  Entry *entry;
  Graph *g;
  Region *region;
  Entry *init; /* where parameters' initial values are built */

  VEC(int64_t) var_extent; /* by symbolic variable */
  VEC(const char *) var_name;
  VEC(Expr *) map; /* scratch of subst_vars, by symbolic variable: all NULL at rest */
  Frame *frame;
  VEC(Expr *) facts; /* conditions that hold where the expression stands */
  LoopContext *loops;
  CallContext *calls;
  int nerrors;         /* so far, those included that were said before and are not shown again */
  uintptr_t stack_end; /* lowering goes no further down */
  int depth;           /* of calls, against endless recursion */
  int ncalls;          /* instantiated within the outermost one, against doubling */
  int64_t evaluations; /* of models by what is none, each as often as the loops around it run */
  bool runaway;        /* one of both was reported: the outermost call gives up */
  bool exhausted;      /* so it was, for their number */
  VEC(FrameOf) reduce_frames; /* of the statement being lowered */
  VEC(CallOf) call_values;

  LoopContext
      *stack_stop; /* loops from here outwards do not stack parameters: a model began inside */
  const char *stmt_name;             /* of the statement being lowered, qualified */
  bool plain_gradients;              /* derive through `grad` clauses, save those marked nocheck */
  VEC(const AStmt *) misplaced;      /* reported, not to be lowered */
  VEC(Unknown) unknown;              /* names that were reported, and where */
  VEC(Contradiction) contradictions; /* that were reported: every call finds them again */
  const AStmt *undrawn;   /* only `state` may draw before a sampler's loop, this is none */
  bool looping;           /* that sampler has a loop */
  const AExpr *drawing;   /* the call right of `~`: one number is what a scalar target asks for */
  const char *param_path; /* "denoise.layer" */
  const char *draw_path;  /* the same with every instance told apart */
  VEC(PathCount) counts;  /* instances of a name below a path */

  VEC(Entry *) entries;
  const Diags *sources; /* d, or what it was before a trial */
  VEC(Parameter) params;
  struct NameMap *param_index; /* from a name to 1 + its place in `params`, or to one given up */
  int64_t flat_size[2];
  VEC(Data *) datas;
  VEC(DiffusionSchedule *) schedules;
  VEC(AFile *) files;
  VEC(struct Import) imports;
  Scope *core;         /* names every file sees */
  Scope *root;         /* of the user's file */
  bool names_missing;  /* an import failed: unknown names say nothing new */
  bool syntax_errors;  /* in some file */
  const char *assumed; /* "b = 12, l = 24": extents made up to check what nothing uses; or NULL */
  VEC(OwnNumber) numbers;    /* in the order of the files */
  VEC(ADecl *) instantiated; /* functions lowered at least once */

  Scope *loss_scope; /* of the loss whose statements are lowered: it knows its step; or NULL */

  /* gathered while a loss, metric or sampler is lowered */
  Value *objective;
  Span objective_span;
  VEC(Output) logs;
  VEC(UnitMetric) metrics;
  int64_t loss_rows;   /* rows of the training input */
  Value *counted_from; /* an input: the first of a row's symbols that metrics count; or NULL */
  int64_t counted;     /* symbols of a row that metrics report one by one; 0: no metric did yet */
  int64_t loss_window; /* tokens of a row of the training input, for text parameters; 0 = unknown */
  const char *loss_data;
  int64_t vocab; /* of that data */
  const char *vocab_id;
};

/* -- lower_error.c: with the calls as notes --------------------------------------------- */
Diag *lower_error(Lowering *l, int code, Span at, const char *fmt, ...) TD_PRINTF(4, 5);
Diag *lower_warn(Lowering *l, int code, Span at, const char *fmt, ...) TD_PRINTF(4, 5);
const char *shape_text(Lowering *l, const Value *v);                  /* "[B, L, D]" */
const char *extent_text(Lowering *l, const char *id, int64_t extent); /* "D = 384" */

/* -- lower_range.c: proofs about integer expressions -------------------------------------- */
/* Is 0 <= e < extent wherever the facts hold? */
bool prove_in_range(Lowering *l, Expr *e, int64_t extent);
bool prove_at_least(Lowering *l, Expr *e, int64_t least);
bool prove_interval(Lowering *l, Expr *e, int64_t *lo, int64_t *hi);
bool interval_here(Lowering *l, Expr *e, int64_t *lo, int64_t *hi); /* where the facts hold */
bool any_integer(int64_t lo, int64_t hi);                           /* this range says nothing */
void fact_push(Lowering *l, Expr *cond, bool holds);                /* also what it implies */

/* -- lower_real.c ------------------------------------------------------------------------ */
/* int(of), kept where the real number lies by its form. */
Expr *integer_within(Lowering *l, Expr *whole, Expr *of);

/* -- lower_whole.c: integers are exact; false after an error --------------------------- */
bool whole_computed(Lowering *l, const Expr *e, Span at);  /* within an expression: 64 bits */
bool whole_kept(Lowering *l, Node *n, Span at);            /* as a value: 32 bits */
bool whole_constant(Lowering *l, const Value *v, Span at); /* the same of a constant */
bool whole_nonzero(Lowering *l, Expr *e);                  /* wherever the facts hold? */
bool whole_divisor(Lowering *l, Expr *e, Span at);         /* the same, or an error */

/* -- lower_path.c --------------------------------------------------------------------------- */
/* The instance of `name` that begins here: parameters and draws made inside are
 * told apart by it. `root`: a model, whose parameters are its own wherever it is used. */
typedef struct PathMark {
  const char *param, *draw;
  PathCount *counts;
  int ncounts, capcounts;
  LoopContext *stop;
} PathMark;
PathMark path_enter(Lowering *l, const char *name, bool root);
void path_leave(Lowering *l, PathMark m);
int path_count(Lowering *l, const char *key); /* 1, 2, ... for the same key here */

/* -- lower_expr.c --------------------------------------------------------------------------- */
Value *lower_expr(Lowering *l, Scope *s, const AExpr *e);
Value *lower_index_value(Lowering *l, Scope *s, const AExpr *e); /* between brackets */
/* A number known at compile time, integers exact; NULL after an error. */
Value *lower_constant(Lowering *l, Scope *s, const AExpr *e);
bool lower_number(Lowering *l, Scope *s, const AExpr *e, double *out, bool *is_int);
/* The ends of a range, as they are written. */
bool lower_range_ends(Lowering *l, Scope *s, const AExpr *lo, const AExpr *hi, int64_t *a,
                      int64_t *b);
/* A positive integer, and the dim or axis that it is or NULL. */
bool lower_extent(Lowering *l, Scope *s, const AExpr *e, int64_t *out, const char **id);
/* Does the read e give base's axes `given` indices (dots: one of them is `...`)? Else an error. */
bool check_rank(Lowering *l, const AExpr *e, const Value *base, int given, bool dots);
/* Is it a tensor, to be indexed? Else an error (none for poison). */
bool indexable(Lowering *l, const Value *base, Span at);

/* -- lower_prim.c -------------------------------------------------------------------------- */
/* Is v a number or a tensor? Else an error that says what it is (none for poison). */
bool usable(Lowering *l, const Value *v, Span at);
Value *lower_prim(Lowering *l, Prim p, Value **args, int n, Span at);
/* index: it stands between the brackets of one, where '/' of integers rounds down. */
Value *lower_binary(Lowering *l, AOp op, Value *a, Value *b, Span at, bool index);

/* -- lower_reduce.c ------------------------------------------------------------------------ */
bool is_reducer(const char *name);
Value *lower_reduce(Lowering *l, Scope *s, const AExpr *e);
/* Reduce a scalar lambda over given variables into a node of its own. */
Value *reduce_vars(Lowering *l, Reducer red, const int *vars, int n, Expr *guard, Expr *body,
                   const char *name, Span at);

/* -- lower_draw.c -------------------------------------------------------------------------- */
bool is_distribution(const char *name);
Value *lower_draw(Lowering *l, Scope *s, const AExpr *call);
/* p(e) for P_log or P_log1p where it is the logarithm of a draw u, or of 1 - u, which then
 * has all its bits: a uniform has 24, and the rarest 2^-24 of it would be one number. */
Expr *log_of_draw(Graph *g, Prim p, Expr *e);

/* -- lower_call.c -------------------------------------------------------------------------- */
/* in_index: it stands between the brackets of an index, where '/' rounds down. */
Value *lower_call(Lowering *l, Scope *s, const AExpr *e, bool in_index);
/* Call fn with values (names NULL or by name). */
Value *call_fn(Lowering *l, Fn *fn, Value **args, const char **arg_names, const Span *arg_spans,
               int n, Span at);

/* -- lower_foreign.c ----------------------------------------------------------------------- */
/* Has a call of a primitive, a draw or `extent` no named arguments? Else an error. */
bool arguments_unnamed(Lowering *l, Scope *s, const AExpr *call);
/* sum(x, dim=-1), x.sum(1): the hint to x, where it is known what the tensor's axes are. */
void hint_reducer(Lowering *l, Scope *s, Diag *x, const char *reducer, const AExpr *call);
Value *call_of_member(Lowering *l, Scope *s, const AExpr *call); /* a.f(x): an error */

/* -- lower_stmt.c -------------------------------------------------------------------------- */
bool lower_body(Lowering *l, Scope *s, AStmt *const *stmts, int n);
bool lower_stmt(Lowering *l, Scope *s, AStmt *st);
Value *lower_assign_value(Lowering *l, Scope *s, const ATarget *t, const AExpr *e, bool draw,
                          Span at);
/* May t get a value, e (NULL: that of a parameter)? Said once: what follows of the name is of no
 * value. */
bool may_assign(Lowering *l, Scope *s, const ATarget *t, const AExpr *e);

/* -- lower_param.c ------------------------------------------------------------------------- */
bool lower_param_stmt(Lowering *l, Scope *s, AStmt *st);

/* -- lower_loop.c -------------------------------------------------------------------------- */
bool lower_for(Lowering *l, Scope *s, AStmt *st);

/* -- lower_expect.c ------------------------------------------------------------------------ */
/* Does every `expect` of the file name a warning? Else errors. */
void check_expected(Lowering *l, const AFile *f);
/* Takes away what the files expect. `whole`: all warnings of source `file` have been given, so
 * that one which does not come deserves another. */
void settle_expected(Lowering *l, int file, bool whole);

/* -- lower_place.c ------------------------------------------------------------------------- */
/* Reports and remembers the statements that mean nothing where they stand. */
void find_misplaced(Lowering *l, const ADecl *d);
bool is_misplaced(const Lowering *l, const AStmt *st);

#endif
