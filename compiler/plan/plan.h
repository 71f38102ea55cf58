/* SPDX-License-Identifier: MIT */
/* The plan of one entry, as the passes of the backend share it: which nodes one
 * kernel computes together, where values live, in which order kernels run.
 * Nothing outside compiler/ includes this. Grouped by defining file. */
#ifndef TDC_PLAN_H
#define TDC_PLAN_H

#include "compiler/backend.h"
#include "compiler/ir/ir.h"
#include "compiler/program/program.h"

/* Where a value lives: element `offset` of a buffer, plus a stride for each
 * counter of the loops around it (by slot, which is the depth of nesting). */
typedef struct Place {
  int buffer; /* index into Plan.buffers; -1: nowhere */
  int64_t offset;
  int64_t stride[TD_MAX_LOOPS];
} Place;

typedef struct Group Group;

/* A node computed inside a kernel. Row variable k of the kernel is variable
 * rowvar[k] of the node. */
typedef struct Member {
  Node *node;
  int rowvar[IR_MAX_VARS];
  bool accumulates; /* sums over rows: one partial result a piece */
  bool stored;      /* its value goes to memory, not only to its readers here */
  int program;      /* GROUP_CHAIN: which part of the kernel computes it (chain.h); else 0 */
} Member;

typedef enum { GROUP_ROWS, GROUP_CONTRACTION, GROUP_SCATTER, GROUP_LOOP, GROUP_CHAIN } GroupKind;

/* What becomes one kernel (or, for GROUP_LOOP, a loop of them). */
struct Group {
  GroupKind kind;
  int id; /* dense over the plan */
  Region *region;
  bool late;    /* runs after everything else of its region */
  bool dropped; /* not needed after all */
  int nrows;    /* row variables: the index space of the pieces */
  int64_t row_extent[IR_MAX_VARS];
  bool rows_fixed;                 /* partial sums were laid out for these rows, */
  int64_t block;                   /* this many a piece */
  VEC(Member) members;             /* in order of evaluation */
  Loop *loop;                      /* GROUP_LOOP */
  struct RowPlan *rows;            /* GROUP_ROWS: rows.c */
  struct Contraction *contraction; /* GROUP_CONTRACTION: contract.h */
  struct Chain *chain;             /* GROUP_CHAIN: chain.h */
  VEC(Group *) after;              /* must run before it, besides what it reads */
  int mark;
  int packed; /* GROUP_CONTRACTION: operand B is packed beforehand into buffer */
  int64_t packed_columns,
      packed_depth; /* packed - 1, cut like this; 0: it is not. For each iteration of */
  const Loop *packed_for[TD_MAX_LOOPS]; /* these loops, */
  int npacked_for;                      /* outermost first, */
  int64_t packed_count;                 /* so many elements of the buffer */
  int kernel;                           /* index in the program, once written */
  const int *args;                      /* buffers in the kernel's order */
  int nargs;
  const bool *writes; /* by argument */
};

/* What the passes know of a node, by node id. */
typedef struct NodeInfo {
  Group *group; /* that computes it, or NULL */
  Place place;
  bool placed;
  bool local;      /* its value never leaves its kernel */
  Node *owner;     /* the pack, stack, carry or state it is stored for; itself: taken */
  int owner_index; /* the pack's part */
  int uses;        /* own.c: by how many others */
  Node *commits;   /* a copy at the end of a region: of this node, into `owner` */
  bool rows;       /* a carry kept as rows: one more than iterations */
  Node *rows_of;   /* a stack that is those rows, */
  bool rows_next;  /* of what each iteration leaves (else: finds) */
  int position;    /* in its region */
} NodeInfo;

typedef struct PlanBuffer {
  TdBuffer td;
  int first, last; /* steps between which its contents matter; -1: never used */
} PlanBuffer;

typedef struct Backend Backend;

typedef struct Plan {
  Backend *be;
  Arena *arena;
  Graph *g;
  const char *name;
  bool repeated;       /* the entry runs many times while parameters stay (backend_repeated) */
  VEC(NodeInfo) info;  /* by node id: use plan_info() */
  VEC(Group *) groups; /* in order of creation */
  VEC(PlanBuffer) buffers;
  VEC(TdStep) steps;
  VEC(const bool *) step_writes; /* of each step: which arguments it writes */
  VEC(TdOutput) outputs;
  size_t arena_bytes, arena_sum;
  double flops, bytes;
} Plan;

/* -- backend.c ----------------------------------------------------------------- */
struct Backend {
  Arena *arena;
  Diags *diags;
  const char *name;
  BackendOptions options;
  TdType act;                /* of activations: TD_F32 or TD_BF16 */
  int recompute, recomputed; /* see backend_recompute */
  bool repeated;             /* see backend_repeated */
  VEC(TdState) states;
  VEC(TdTensor) tensors;
  VEC(TdKernel) kernels;
  VEC(const char *) bodies; /* of the kernels: the text without its name */
  VEC(TdEntry) entries;
  const char *dump_form; /* what backend_dump asked for, or NULL */
  StrBuf *dump;
};
const char *prelude_text(void);        /* compiler/cpu/prelude.h, embedded by the build */
const char *prelude_draws_text(void);  /* compiler/cpu/prelude_draws.h */
const char *prelude_narrow_text(void); /* compiler/cpu/prelude_narrow.h */
NodeInfo *plan_info(Plan *p, const Node *n);
int plan_depth(const Region *r); /* loops around a region; the slot of the next one inside */
TdType plan_storage(Type t);     /* of states, inputs and constants */

/* -- own.c: one owner for every stored value ---------------------------------------- */
void plan_own(Plan *p);

/* -- contract.c --------------------------------------------------------------------- */
/* Is n a sum of products that the matrix template computes? */
bool contract_matches(Graph *g, const Node *n);

/* -- group.c ------------------------------------------------------------------------ */
/* Every computed node belongs to one group afterwards. */
void plan_group(Plan *p);
Group *plan_new_group(Plan *p, Region *r, GroupKind kind);
/* Which members' values must be in memory; again after groups were merged. */
void plan_stored(Plan *p);

/* -- chain.c -------------------------------------------------------------------------- */
void plan_chains(Plan *p);

/* -- order.c -------------------------------------------------------------------------- */
typedef VEC(Group *) Groups;
/* The groups that a node waits for: f is called at least once for each. */
void node_waits(Plan *p, Node *n, void (*f)(Group *before, void *ctx), void *ctx);
/* Does n read what group g computes through a view or a pack? */
bool node_reads_around(Plan *p, Node *n, const Group *g);
/* What group g waits for, within its region. */
void group_waits(Plan *p, Group *g, void (*f)(Group *before, void *ctx), void *ctx);
/* Does `from` wait, directly or not, for `to`? */
bool group_follows(Plan *p, Group *from, const Group *to);
/* The groups of a region in an order that respects reads; late ones last. */
void group_order(Plan *p, const Region *r, Groups *out);

/* -- in_place.c --------------------------------------------------------------------- */
void plan_in_place(Plan *p);

/* -- place.c ------------------------------------------------------------------------ */
/* Buffers, and a place for every node that has storage. */
void plan_place(Plan *p);
int plan_buffer(Plan *p, TdBufferKind kind, const char *name, Type type, int rank,
                const int64_t *shape);

/* -- narrow.c ----------------------------------------------------------------------- */
/* Temporaries that are stored in bf16, if the program wants that. */
void plan_narrow(Plan *p);
TdType plan_type(Plan *p, const Node *n); /* how n's value is stored */

/* -- steps.c ------------------------------------------------------------------------- */
/* Order the groups of every region; write their kernels; list the steps. */
void plan_steps(Plan *p);

/* -- memory.c ------------------------------------------------------------------------- */
/* Lifetimes of temporary buffers, and their offsets in the arena. */
void plan_memory(Plan *p);

/* Parts of the prelude that units share; bit n is TD_PART n + 1. */
enum { PRELUDE_TILES = 3, PRELUDE_DRAWS = 4, PRELUDE_NARROW = 8, PRELUDE_PARTS = 4 };

/* -- value.c: scalar expressions as C --------------------------------------------- */
enum { EMIT_LEVELS = 24 };

/* One level of a loop nest: statements in order. A value computed at a level
 * is in scope at deeper ones until the level is closed. */
typedef struct EmitLevel {
  StrBuf text;
  unsigned serial;
} EmitLevel;

typedef struct EmitPointer {
  Node *node;
  const char *name;
  bool writes;
  bool here; /* computed by this kernel: no read before the rows begin */
} EmitPointer;

/* A value that only lives in the kernel: an array over the variables of `node`
 * that are not row variables, or over all of them. */
typedef struct EmitLocal {
  Node *node;
  const char *name;
  int64_t stride[IR_MAX_RANK]; /* 0 for row variables */
} EmitLocal;

/* Where draws whose counter goes up by one in the vector loop are made at once:
 * an array, filled at `level` before the loop. */
typedef struct EmitRun {
  int nvars; /* variables that make up the loop; 0: no runs */
  int var[IR_MAX_VARS];
  int64_t stride[IR_MAX_VARS]; /* of each, in iterations */
  int level;
  const char *start; /* C: the first iteration; NULL: 0 */
  const char *count; /* C: iterations */
  const char *index; /* C: of the array, in the loop */
  const char *room;  /* C constant: the most iterations */
} EmitRun;

typedef struct EmitMemo {
  unsigned serial;
  int level;
  const char *name;
} EmitMemo;

typedef struct Emit {
  Plan *plan;
  Graph *g;
  Arena *arena;
  Group *group;
  EmitLevel level[EMIT_LEVELS];
  unsigned serials;
  int next_name;  /* numbers every identifier of the function */
  EmitMemo *memo; /* by expression id */
  int memo_cap;
  /* the variables in scope */
  int nvars;
  const char *var[IR_MAX_VARS];
  int64_t extent[IR_MAX_VARS];
  int var_level[IR_MAX_VARS];
  int row_level;  /* where values computed by this kernel begin to exist */
  bool in_bounds; /* reads need no checks */
  EmitRun run;
  VEC(EmitPointer) pointers;
  VEC(EmitLocal) locals;
  VEC(int) args; /* buffers */
  VEC(bool) arg_writes;
  bool uses_control;
  uint32_t parts;         /* of the prelude whose functions it calls: PRELUDE_* */
  uint32_t uses_counters; /* by slot */
} Emit;

void emit_begin(Emit *em, Plan *p, Group *group);
void emit_end(Emit *em);
void emit_open(Emit *em, int level); /* a fresh, empty level */
/* C text of e's value, valid at `level`; temporaries go to the levels' texts. */
const char *emit_value(Emit *em, Expr *e, int level);
/* Let e stand for the C name at `level` and deeper. */
const EmitLocal *emit_local(Emit *em, const Node *n); /* or NULL */
void emit_define(Emit *em, Expr *e, int level, const char *name);
const char *emit_name(Emit *em, const char *stem); /* a fresh identifier */
/* A node's name as part of an identifier, of at most so many characters. */
const char *emit_stem(Arena *a, const char *name, size_t most);
const char *emit_pointer(Emit *em, Node *n, bool writes);
/* A buffer as a C pointer to `type`. */
const char *emit_buffer(Emit *em, int buffer, const char *type, bool writes);
/* The statement that stores a value at the place `at` of n. */
const char *emit_store(Emit *em, const Node *n, const char *at, const char *value);
const char *emit_ctype(Type t); /* of stored values */
/* The place of n[args]: "name[...]" as an lvalue, valid at `level`. */
const char *emit_element(Emit *em, Node *n, Expr *const *args, int level, bool writes);
/* Declarations for the top of the function: pointers, counters, control. */
void emit_prologue(Emit *em, StrBuf *out);
const char *emit_zero(Reducer r, Type t); /* what an empty reduction yields */
double emit_flops(Graph *g, Expr *e);     /* of one evaluation */

bool emit_mentions(const char *text, const char *name);
/* The arguments in the kernel's order, for the launch. */
void emit_arguments(Emit *em);

/* -- rows.c: the inside of a group of rows ---------------------------------------------------- */
typedef enum {
  FORM_MAP,    /* one value a point */
  FORM_REDUCE, /* the loops are reduced to one value a row */
  FORM_MIXED   /* some loops are the value's, some are reduced */
} Form;

/* A member in the kernel's variables: rows first, then the loops of its nest. */
typedef struct Item {
  Member *member;
  Node *node;
  Form form;
  Expr *body, *guard;
  Expr *self;                 /* a read of this very element; NULL: partial sums */
  Expr *element[IR_MAX_RANK]; /* its indices */
  int nout;                   /* loops that are the value's own (first) */
  int nloops;
  int64_t extent[IR_MAX_VARS];
  const char *axis[IR_MAX_VARS];
  int nest;   /* items of one nest share their loops */
  bool array; /* read in another nest: needs memory */
  bool part;  /* one of several items that compute the node */
  /* while it is written */
  const char *value; /* C name */
  const char *sum;   /* C name of the accumulator: scalar or pointer */
} Item;

typedef struct RowPlan {
  Item *items; /* by nest, in order of evaluation */
  int nitems;
  int nrows; /* after neighbours were joined */
  int64_t row_extent[IR_MAX_VARS];
  const char *row_axis[IR_MAX_VARS];
  int64_t rows;
  bool flat;      /* no loops inside: the row loop itself is the vector loop */
  bool in_bounds; /* every read was proved before indices were joined */
  int given_rows; /* rows before neighbours were joined */
} RowPlan;
void plan_rows(Plan *p);
/* The members of one program of a chain over its first rows; `join`: arrays are
 * without gaps, loops may become one. */
RowPlan *plan_row_program(Plan *p, Group *g, int program, int nrows, bool join);

/* -- rows.c ------------------------------------------------------------------------- */
void emit_rows(Plan *p, Group *g, TdKernel *k);
/* The statements of one row, for a kernel that has the loop over rows itself:
 * row variables are in scope. Adds declarations for the top of the function to
 * `locals`, bytes to *scratch, operations of all rows to *flops. */
const char *emit_row_text(Emit *em, Plan *p, Group *g, RowPlan *rows, StrBuf *locals,
                          size_t *scratch, double *flops);
/* -- kernel.c ------------------------------------------------------------------------------- */
/* Write the group's kernel, or find the same one; sets group->kernel and args. */
void kernel_write(Plan *p, Group *g);
/* The kernel that packs operand B of g, a contraction in a loop, for all iterations;
 * a group to be launched before the loop, or NULL if B changes or there is no need. */
Group *kernel_pack(Plan *p, Group *g);
/* The same for all runs of an entry that is repeated: B follows from parameters
 * alone. To be launched in the loops g->packed_for, before everything else. */
Group *kernel_keep(Plan *p, Group *g);

/* -- scatter.c ------------------------------------------------------------------------ */
void emit_scatter(Plan *p, Group *g, TdKernel *k);

#endif
