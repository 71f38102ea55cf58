/* SPDX-License-Identifier: MIT */
/* Checked AST to graph: names, kinds, extents, axis identities and range
 * proofs are settled while an entry is instantiated, because ops are
 * rank-polymorphic and every extent is known by then. Internal to lower_*.c,
 * diffusion.c, sampler.c, objective.c and unit.c.
 *
 * While a statement is being lowered, index variables are *symbolic*: E_VAR
 * with a number unique in the unit. A value is a lambda over symbolic
 * variables, so indexing is substitution, whole-tensor arithmetic is unifying
 * variables, and an op inlined inside an indexed expression simply has further
 * free variables. `value_node` turns a lambda into a comprehension. */
#ifndef TDC_LOWER_H
#define TDC_LOWER_H

#include "compiler/unit.h"

/* ---- values ---------------------------------------------------------------- */
typedef struct LAxis {
  int64_t extent;
  const char *id; /* identity; NULL = none, aligns with nothing */
  int var;        /* symbolic variable that stands for it in the lambda */
} LAxis;

typedef enum {
  V_POISON, /* an error was reported; absorbs silently */
  V_NUM,    /* a number known now: constants, extents */
  V_TEXT,   /* a string */
  V_TENSOR, /* lambda over `axis`, also rank 0 */
  V_FN,     /* op, block, model: decl */
  V_SCHEDULE,
  V_DATA,  /* by decl; members are values */
  V_PARAM, /* a parameter declared at file level: param */
  V_PACKED /* several results of a call */
} ValueKind;

typedef struct Value Value;
struct Value {
  ValueKind kind;
  bool is_int; /* V_NUM */
  int64_t inum;
  double num;
  const char *id; /* V_NUM: the dim or axis it is; V_TENSOR of int: the V of id<V>; or NULL */
  int rank;       /* V_TENSOR */
  LAxis axis[IR_MAX_RANK];
  Expr *e;
  Span span;        /* where it was defined, for notes */
  const char *what; /* how to call it in a message: the source name, or NULL */
  const char *str;
  struct Fn *fn;
  struct Schedule *schedule;
  struct Data *data;
  int param;     /* V_PARAM: index into Low.params */
  Value **parts; /* V_PACKED */
  int nparts;
  Value *given; /* a text parameter's mask */
};

/* ---- scopes ------------------------------------------------------------------ */
typedef struct Binding {
  const char *name;
  Value *value;
  Span span;
  bool pattern;  /* an index name of a header: an extent, and an index where an index stands */
  bool mutable_; /* a loop's carry or a sampler's state */
} Binding;

typedef struct Scope {
  struct Scope *parent;
  bool function; /* assignments do not reach beyond */
  VEC(Binding) names;
  LAxis ellipsis[IR_MAX_RANK]; /* what `...` stands for in this function */
  int nellipsis;
  bool has_ellipsis;
} Scope;

typedef struct Fn {
  ADecl *decl;
  Scope *scope;
  struct Low *low;
} Fn;

/* ---- index variables of a statement or reducer ---------------------------------- */
typedef struct IxVar {
  const char *name; /* NULL for an axis of `...` */
  int var;          /* symbolic */
  int64_t extent;   /* -1 until known */
  int64_t start;    /* of `i in lo : hi`: the index is var + start */
  const char *id;
  Span span;   /* where it is named first */
  Span origin; /* what fixed its extent */
  const char *origin_text;
  bool ranged;   /* written with a range: `i in lo : hi` */
  bool implicit; /* neither on the left nor reduced: Einstein */
} IxVar;

typedef struct Frame {
  struct Frame *parent;
  bool barrier;        /* names of outer frames are hidden (a call) */
  const AExpr *reduce; /* the reducer it belongs to, or NULL: a statement */
  VEC(IxVar) vars;
} Frame;

/* ---- schedules, data ---------------------------------------------------------- */
typedef struct Table {
  const char *name;
  int rank;
  int64_t shape[IR_MAX_RANK];
  const char *id[IR_MAX_RANK];
  double *data;
  Type type;
  Span span;
} Table;
typedef struct Schedule {
  ADecl *decl;
  Scope *scope;
  bool done, busy;
  int64_t extent;
  VEC(Table *) tables;
} Schedule;
typedef struct Data {
  ADecl *decl;
  Scope *scope;
  DataDecl info;
  DataInfo got;
  bool settling, settled, asked, ok;
  Table *unigram;
} Data;

/* ---- parameters ------------------------------------------------------------------ */
typedef struct LParam {
  const char *name; /* qualified */
  int rank;
  int64_t shape[IR_MAX_RANK];
  const char *axis[IR_MAX_RANK];
  bool matrix; /* rank >= 2 without the stacking axes: decays */
  Span span;
  Node *init; /* in the init graph */
  int64_t offset;
  bool trained; /* reached by the training loss's graph */
} LParam;

typedef struct ParamView {
  int param;
  bool ema;
  Node *node;
} ParamView;

/* What belongs to one graph under construction. */
typedef struct Entry {
  Graph *g;
  const char *name;
  bool training; /* dropout draws */
  bool ema;      /* parameters are read from the averages */
  bool init;     /* the init graph */
  bool repeated; /* a sampler's step */
  VEC(ParamView) views;
  Node *flat[2]; /* N_STATE params.matrix, params.vector of this graph */
  VEC(UnitInput) inputs;
  struct {
    Table *table;
    Node *node;
  } * tables;
  int ntables, captables;
} Entry;

typedef struct LoopCtx {
  struct LoopCtx *parent;
  Loop *loop;
  bool stacks; /* `for`: parameters made inside get a leading axis; `scan` shares them */
} LoopCtx;

typedef struct CallCtx {
  struct CallCtx *parent;
  const char *name;
  Span span; /* no place: nothing calls it, it is only checked */
  ADecl *decl;
} CallCtx;

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

typedef struct Low {
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
  LoopCtx *loops;
  CallCtx *calls;
  int nerrors;         /* so far, those included that were said before and are not shown again */
  uintptr_t stack_end; /* lowering goes no further down */
  int depth;           /* of calls, against endless recursion */
  int ncalls;          /* instantiated within the outermost one, against doubling */
  bool runaway;        /* one of both was reported: the outermost call gives up */
  bool exhausted;      /* so it was, for their number */
  VEC(FrameOf) reduce_frames; /* of the statement being lowered */
  VEC(CallOf) call_values;

  LoopCtx *stack_stop; /* loops from here outwards do not stack parameters: a model began inside */
  const char *stmt_name;        /* of the statement being lowered, qualified */
  bool plain_gradients;         /* derive through `grad` clauses, save those marked nocheck */
  VEC(const AStmt *) misplaced; /* reported, not to be lowered */
  bool forbid_draws;            /* before a sampler's loop only `state` may draw */
  const AExpr *drawing;   /* the call right of `~`: one number is what a scalar target asks for */
  const char *param_path; /* "denoise.layer" */
  const char *draw_path;  /* the same with every instance told apart */
  VEC(PathCount) counts;  /* instances of a name below a path */

  VEC(Entry *) entries;
  VEC(LParam) params;
  int64_t flat_size[2];
  VEC(ADecl *) used; /* files already imported, by decl list */
  VEC(Data *) datas;
  VEC(Schedule *) schedules;
  VEC(AFile *) files;
  VEC(struct Import {
    const char *path;
    Scope *scope;
  })
  imports;
  Scope *core;         /* names every file sees */
  Scope *root;         /* of the user's file */
  bool names_missing;  /* an import failed: unknown names say nothing new */
  bool syntax_errors;  /* in some file */
  const char *assumed; /* "b = 12, l = 24": extents made up to check what nothing uses; or NULL */
  VEC(const char *) defines_used;
  VEC(ADecl *) instantiated; /* functions lowered at least once */

  /* gathered while a loss, metric or sampler is lowered */
  Value *objective;
  Span objective_span;
  VEC(Output) logs;
  VEC(Value *) emitted;
  int64_t loss_window; /* tokens of a row of the training input, for text parameters; 0 = unknown */
  const char *loss_data;
  int64_t vocab; /* of that data */
  const char *vocab_id;
} Low;

/* -- lower_value.c: making, aligning and materialising values ------------------------ */
Value *v_poison(Low *l);
Value *v_int(Low *l, int64_t x, const char *id);
Value *v_real(Low *l, double x);
Value *v_scalar(Low *l, Expr *e);
Value *v_of_node(Low *l, Node *n, const char *const *ids); /* axes with fresh variables */
bool v_scalar_like(const Value *v);                        /* V_NUM or rank 0 */
Expr *v_expr(Low *l, const Value *v);                      /* of V_NUM or V_TENSOR */
Type v_type(const Value *v);
Expr *to_real(Low *l, Expr *e);
int new_var(Low *l, int64_t extent, const char *name);
Expr *subst1(Low *l, Expr *e, int var, Expr *by);
Expr *subst_vars(Low *l, Expr *e, const int *vars, Expr *const *by, int n);
/* A copy of a lambda with fresh variables. */
Value *v_fresh(Low *l, const Value *v);
/* Bring values to common axes (by identity; one must have them all), rewriting
 * their expressions; false after an error. out gets the axes. */
bool v_align(Low *l, Value **vs, int n, Span at, Value *out);
/* The node of a lambda: hidden free variables first, then its axes. */
Node *value_node(Low *l, Value *v, const char *name, Span at);
/* value_node, and the value that reads it. */
Value *value_bind(Low *l, Value *v, const char *name, Span at);
typedef VEC(int) Ints;
void free_vars(Low *l, Expr *e, Ints *out); /* symbolic variables, ascending */

/* -- lower_range.c: proofs about integer expressions ---------------------------------- */
/* Is 0 <= e < extent wherever the facts hold? */
bool prove_in_range(Low *l, Expr *e, int64_t extent);
bool prove_interval(Low *l, Expr *e, int64_t *lo, int64_t *hi);
void fact_push(Low *l, Expr *cond, bool holds); /* also what it implies */

/* -- lower_index.c: which indices a statement has, and their extents -------------------- */
/* Make the statement's frame from its target (NULL: whole), and find the extent
 * of every index in `e`; pushes the frame. False after an error. */
bool infer_indices(Low *l, Scope *s, const ATarget *target, const AExpr *e, Frame **out);
Frame *frame_of(Low *l, const AExpr *reduce);
IxVar *frame_find(Frame *f, const char *name);
Frame *frame_push(Low *l, bool barrier, const AExpr *reduce);
bool infer_in(Low *l, Scope *s, const AExpr *e); /* into the frames that stand */
bool infer_finish(Low *l, Scope *s, Frame *f);
/* The same for a reducer outside any statement (a const, a setting). NULL after an error. */
Frame *infer_alone(Low *l, Scope *s, const AExpr *reduce);
bool uses_index(Low *l, Scope *s, const AExpr *e);

/* -- lower_expr.c ------------------------------------------------------------------------ */
Value *lower_expr(Low *l, Scope *s, const AExpr *e);
Value *lower_binary(Low *l, AOp op, Value *a, Value *b, Span at);
Value *lower_prim(Low *l, Prim p, Value **args, int n, Span at);
Value *lower_index_value(Low *l, Scope *s,
                         const AExpr *e); /* of an index position: ints, '/' floors */
bool lower_number(Low *l, Scope *s, const AExpr *e, double *out, bool *is_int);
bool lower_extent(Low *l, Scope *s, const AExpr *e, int64_t *out,
                  const char **id); /* positive int */
/* Is v a number or a tensor? Else an error that says what it is (none for poison). */
bool usable(Low *l, const Value *v, Span at);

/* -- lower_reduce.c ----------------------------------------------------------------------- */
bool is_reducer(const char *name);
Value *lower_reduce(Low *l, Scope *s, const AExpr *e);
Span reducer_name_span(const AExpr *e);
/* Reduce a scalar lambda over given variables into a node of its own. */
Value *reduce_vars(Low *l, Reducer red, const int *vars, int n, Expr *guard, Expr *body,
                   const char *name, Span at);

/* -- lower_draw.c --------------------------------------------------------------------------- */
bool is_distribution(const char *name);
Value *lower_draw(Low *l, Scope *s, const AExpr *call);

/* -- lower_call.c --------------------------------------------------------------------------- */
Value *lower_call(Low *l, Scope *s, const AExpr *e);
/* Call fn with values (names NULL or by name). */
Value *call_fn(Low *l, Fn *fn, Value **args, const char **arg_names, const Span *arg_spans, int n,
               Span at);
/* The instance of `name` that begins here: parameters and draws made inside are
 * told apart by it. `root`: a model, whose parameters are its own wherever it is used. */
typedef struct PathMark {
  const char *param, *draw;
  PathCount *counts;
  int ncounts, capcounts;
  LoopCtx *stop;
} PathMark;
PathMark path_enter(Low *l, const char *name, bool root);
void path_leave(Low *l, PathMark m);
int path_count(Low *l, const char *key); /* 1, 2, ... for the same key here */
/* Is a bare formal also the name of an index: `o` of linear(x[..., d], o) -> y[..., o]? */
bool fn_names_index(const ADecl *d, const char *name);

/* -- lower_stmt.c ----------------------------------------------------------------------------- */
bool lower_body(Low *l, Scope *s, AStmt *const *stmts, int n);
bool lower_stmt(Low *l, Scope *s, AStmt *st);
Value *lower_assign_value(Low *l, Scope *s, const ATarget *t, const AExpr *e, bool draw, Span at);
bool lower_param_stmt(Low *l, Scope *s, AStmt *st);

/* -- lower_place.c ------------------------------------------------------------------ */
/* Reports and remembers the statements that mean nothing where they stand. */
void find_misplaced(Low *l, const ADecl *d);
bool is_misplaced(const Low *l, const AStmt *st);

/* -- lower_loop.c ------------------------------------------------------------------- */
bool lower_for(Low *l, Scope *s, AStmt *st);

/* -- lower_scope.c ------------------------------------------------------------------ */
Scope *scope_new(Low *l, Scope *parent, bool function);
Binding *scope_find(Scope *s, const char *name);
Binding *scope_here(Scope *s, const char *name);
void scope_set(Low *l, Scope *s, const char *name, Value *v, Span at);
Value *lookup(Low *l, Scope *s, const char *name, Span at); /* error and poison when unknown */
bool load_file(Low *l, int file, Scope *scope);             /* declarations into scope */
Scope *std_scope(Low *l, const char *name, Span at);
const char *std_declaring(const char *function); /* the library that declares it, or NULL */
Fn *find_fn(Low *l, Scope *s, const char *name);
Value *member(Low *l, Value *base, const char *name, Span at);
Value *table_value(Low *l, Table *t);
Value *binding_value(Low *l, Binding *b);
bool schedule_ready(Low *l, Schedule *s, Span at);

/* -- trial_call.c ---------------------------------------------------------------------------- */
struct TrialOptions; /* trial.h */
/* Call fn in an entry of its own, with arguments of our choosing: by chance, or
 * without options the same every time. Then attempt 0 takes the dims that
 * bear the names of indices; others, trial_attempts in all, tell index names
 * apart (bit 0) and pass truth values for bare tensors (bits 1 ..).
 * Poison after an error. The caller keeps a copy of Low and puts it back.
 * l->assumed then says what was chosen. */
int trial_attempts(const ADecl *d);
Value *trial_call(Low *l, Fn *fn, bool training, int attempt, const struct TrialOptions *o);

/* -- settings.c: data {...}, train {...}, precision {...} ------------------------------- */
bool settings_data(Low *l, Data *x, Scope *s);

typedef struct TrainSettings {
  ADecl *decl;
  const AExpr *optimizer; /* the call, e.g. adamw(lr = 1e-3) */
  const AExpr *clip;      /* or NULL */
  Fn *loss;
  Entry *train, *eval;
  Node *loss_node, *eval_loss;
  VEC(Output) train_logs, eval_logs;
  Span loss_span;
} TrainSettings;
bool settings_train(Low *l, TrainSettings *t, ADecl *d, Scope *s);
bool settings_precision(Low *l, ADecl *d);

/* What must not leak from one entry, schedule or initial value into another. */
typedef struct Context {
  Low saved;
} Context;
Context context_begin(Low *l, Entry *e);
void context_end(Low *l, const Context *c);

/* -- entries -------------------------------------------------------------------------------- */
Entry *entry_new(Low *l, const char *name);
void entry_enter(Low *l, Entry *e);
Value *entry_input(Low *l, const char *name, Type t, int rank, const int64_t *shape,
                   const char *const *ids, int64_t lo, int64_t hi, const char *data, Span at);
Value *param_value(Low *l, int param);
void unit_add_entry(Low *l, Entry *e);
void entry_settle(Entry *e);
bool bind_inputs(Low *l, Scope *s, ADecl *d, bool from_data); /* formals as inputs of the entry */
bool build_train(Low *l, TrainSettings *t);                   /* objective.c */
bool finish_train(Low *l, TrainSettings *t); /* once the parameters' layout is fixed */
bool build_samplers(Low *l);                 /* sampler.c */
bool build_models(Low *l);                   /* models.c */

/* -- domain.c: warnings about the mathematics ----------------------------------------------- */
void domain_warnings(Low *l); /* when every entry is lowered */
void domain_softmax(Low *l, const AExpr *e, const int *vars, int n);
void domain_guard(Low *l, const AExpr *e, Expr *const *parts,
                  int n); /* conditions that hold together */

Diag *lower_error(Low *l, int code, Span at, const char *fmt, ...)
    TD_PRINTF(4, 5); /* with the calls as notes */
Diag *lower_warn(Low *l, int code, Span at, const char *fmt, ...) TD_PRINTF(4, 5);
const char *shape_text(Low *l, const Value *v);                  /* "[B, L, D]" */
const char *extent_text(Low *l, const char *id, int64_t extent); /* "D = 384" */

#endif
