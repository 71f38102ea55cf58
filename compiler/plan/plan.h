/* SPDX-License-Identifier: MIT */
/* The plan of one entry: which nodes one kernel computes together, where values
 * live, what each launch is given and costs, in which order launches run. Passes
 * refine it one after the other; when plan_memory is done it is complete, and a
 * target's writer turns groups into source without asking anything more.
 * Grouped by defining file. */
#ifndef TDC_PLAN_H
#define TDC_PLAN_H

#include "compiler/backend.h"
#include "compiler/ir/ir.h"
#include "compiler/plan/target.h"
#include "compiler/program/program.h"

/* Where a value lives: element `offset` of a buffer, plus a stride for each
 * counter of the loops around it (by slot, which is the depth of nesting). */
typedef struct Place {
  int buffer; /* index into Plan.buffers; -1: nowhere */
  int64_t offset;
  int64_t stride[TD_MAX_LOOPS];
} Place;

/* A node computed inside a kernel. Row variable k of the kernel is variable
 * rowvar[k] of the node. */
typedef struct Member {
  Node *node;
  int rowvar[IR_MAX_VARS];
  bool accumulates; /* sums over rows: one partial result a piece */
  bool stored;      /* its value goes to memory, not only to its readers here */
  int program;      /* GROUP_CHAIN: which part of the kernel computes it (chain.h); else 0 */
} Member;

/* GROUP_PACK: lays operand B of a product out beforehand; in Plan.packs, not in Plan.groups. */
typedef enum {
  GROUP_ROWS,
  GROUP_CONTRACTION,
  GROUP_SCATTER,
  GROUP_LOOP,
  GROUP_CHAIN,
  GROUP_PACK
} GroupKind;

/* What a launch of a group is given, in the order of its call, and what it costs. */
typedef struct Launch {
  VEC(int) args;            /* buffers */
  VEC(int64_t) begins;      /* by argument: the first element of the buffer that it is given */
  VEC(bool) writes;         /* by argument; the others are only read */
  uint32_t counters;        /* bit s: the counter of loop slot s */
  bool control;             /* seed and step */
  TdLaunch shape;           /* by the target */
  const TdProduct *product; /* what a library computes instead of a kernel; or NULL */
  double flops, bytes;
  double narrow_flops; /* products in bf16, of flops */
  double read;         /* of bytes; the others are written */
  double dear;         /* FLOPs that take as long as its draws and functions: dear.c */
} Launch;

/* Operand B of a product, laid out beforehand as the product's tiles read it. */
typedef struct Packed {
  int buffer;
  int64_t columns, depth;          /* it is cut like this; */
  int64_t count;                   /* so many elements of the buffer for each iteration */
  const Loop *loops[TD_MAX_LOOPS]; /* of these loops, outermost first */
  int nloops;
  const Loop *before; /* filled before this loop; NULL: once, before the first run */
} Packed;

/* What each part of a loop's kernel keeps near it, as f32: a value, or what of it has these
 * indices on its first `fixed` axes. */
typedef struct LoopNear {
  Node *node;
  int fixed;
  Expr *at[IR_MAX_RANK];
  int64_t pitch; /* elements from row to row of the last axis */
  size_t bytes;
} LoopNear;

/* A loop that is one kernel: loop_kernel.c. */
typedef struct LoopKernel {
  int64_t rows;       /* that are independent of each other: of the first row of all its groups */
  int64_t slice;      /* so many of them are a part's, which runs through all iterations */
  VEC(LoopNear) near; /* one behind another, */
  size_t near_bytes;  /* which take so much */
  VEC(Group *) body;  /* in order; launch.c */
} LoopKernel;

/* What becomes one kernel (or, for GROUP_LOOP, a loop of them). */
struct Group {
  GroupKind kind;
  int id; /* dense over the plan */
  Region *region;
  bool late;    /* runs after everything else of its region */
  TdOnce once;  /* in which runs it is launched: TdStep.once */
  bool dropped; /* not needed after all */
  bool product; /* GROUP_ROWS: of a product, which may be given factors in bf16: loop_kernel.c */
  int nrows;    /* row variables: the index space of the pieces */
  int64_t row_extent[IR_MAX_VARS];
  bool rows_fixed;                 /* partial sums were laid out for these rows, */
  int64_t block;                   /* this many a piece */
  VEC(Member) members;             /* in order of evaluation */
  int exprs;                       /* of their bodies, as they were when they joined */
  Loop *loop;                      /* GROUP_LOOP; */
  LoopKernel *kernel;              /* it is one; or NULL, */
  const char *apart;               /* and why, where it was asked */
  struct RowPlan *rows;            /* GROUP_ROWS: rows.h */
  struct Contraction *contraction; /* GROUP_CONTRACTION, GROUP_PACK: contract.h */
  struct Chain *chain;             /* GROUP_CHAIN: chain.h */
  VEC(Group *) after;              /* must run before it, besides what it reads */
  VEC(Group *) holds;              /* the same the other way: those that have it in `after` */
  int mark;
  int listed, back, ahead; /* the last search that met it: order.c */
  Packed *packed; /* GROUP_CONTRACTION: operand B is; GROUP_PACK: what it fills; else NULL */
  Launch launch;  /* launch.c */
};

/* Nodes of the same region that must be computed before a node is. */
typedef struct Sources {
  Node **at;
  int n, direct;            /* those up to `direct` are read themselves, the rest around them */
  const Expr *guard, *body; /* of the node, when they were found */
} Sources;

/* What the passes know of a node, by node id. */
typedef struct NodeInfo {
  Group *group; /* that computes it, or NULL */
  Place place;
  bool placed;
  bool local;          /* its value never leaves its kernel */
  bool factor;         /* a copy for products alone, as activations are stored: weights.c */
  bool library;        /* a product of which a library makes the sums alone; */
  Node *epilogue;      /* a map on the sums of such a product; or NULL: apart.c */
  bool pieces;         /* a product's sums by pieces of k: pieces.c */
  bool kept;           /* in the entry's own memory from run to run: TD_KEPT; weights.c, once.c */
  TdOnce once;         /* in which runs it is computed; once.c */
  Node *owner;         /* the pack, stack, carry or state it is stored for; itself: taken */
  int owner_index;     /* the pack's part */
  int uses;            /* own.c: by how many others */
  Node *commits;       /* a copy at the end of a region: of this node, into `owner` */
  bool rows;           /* a carry kept as rows: one more than iterations */
  Node *rows_of;       /* a stack that is those rows, */
  bool rows_next;      /* of what each iteration leaves (else: finds) */
  int position;        /* in its region */
  Sources *sources;    /* sources.c, and: */
  VEC(Node *) readers; /* of its region */
  VEC(Node *) read_by; /* those that read the node itself, of all regions */
  Node *above;         /* the source that is the furthest from the inputs */
  int depth;           /* so far */
  int number, last;    /* in the forest that `above` makes; 0: in none */
  int next;            /* the last number that was given below it */
  int64_t *part_at;    /* a pack: where each part begins; place.c */
} NodeInfo;

typedef struct PlanBuffer {
  TdBuffer td;
  int first, last; /* steps between which its contents matter; -1: never used */
} PlanBuffer;

/* A step of the entry: a launch of a group, or a bracket of a loop. */
typedef struct PlanStep {
  TdStepKind kind;
  TdOnce once;
  Group *group;     /* TD_LAUNCH */
  const Loop *loop; /* TD_LOOP, TD_END */
} PlanStep;

typedef VEC(TdState) PlanStates;

typedef struct Plan {
  Arena *arena;
  Diags *diags; /* for the text of source lines */
  Graph *g;
  const char *name;
  const BackendOptions *options;
  const Target *target;
  TdType act;          /* of activations: TD_F32 or TD_BF16 */
  int split;           /* how factors in f32 are multiplied: TD_SPLIT_* */
  bool rounds;         /* factors of products are rounded to bf16, wherever they are stored */
  bool follows;        /* it keeps what follows from states that it changes: TdEntry.follows */
  bool repeated;       /* the entry runs many times while parameters stay (backend_repeated) */
  bool keeps;          /* memory need not be saved: what is the same in many runs may be kept */
  PlanStates *states;  /* of the program; plan_state adds to them */
  VEC(NodeInfo) info;  /* by node id: use plan_info() */
  VEC(Group *) groups; /* in order of creation */
  VEC(Group *) packs;  /* GROUP_PACK, in the order in which they are launched */
  VEC(PlanBuffer) buffers;
  VEC(PlanStep) steps;
  VEC(TdOutput) outputs;
  struct EmitMemos *memos;    /* of the writers of its kernels: emit/scope.c */
  int numbered;               /* nodes: sources.c */
  int searches;               /* order.c */
  VEC(Group *) scalars;       /* without rows, of the region that is grouped: group.c */
  VEC(Group *) ahead, behind; /* of the search that goes on */
  size_t arena_bytes, arena_sum;
  double flops, bytes, launches; /* of one run */
  double narrow_flops;           /* of flops */
} Plan;

/* -- plan.c -------------------------------------------------------------------------- */
/* From a graph (which is rewritten) to a complete plan. The fields from arena to
 * states are set by the caller. */
void plan_make(Plan *p);

/* -- core.c -------------------------------------------------------------------------- */
NodeInfo *plan_info(Plan *p, const Node *n);
int plan_depth(const Region *r); /* loops around a region; the slot of the next one inside */
TdType plan_storage(Type t);     /* of states, inputs and constants */
const Member *member_of(const Group *g, const Node *n); /* that computes n; or NULL */
Node *plan_first(const Group *g);                       /* what its kernel computes first */
/* Does n add up partial sums, few enough to do so together with others (together.c)? */
bool plan_adds_up(Plan *p, const Node *n);
const char *plan_class(const Group *g); /* "map", "row", "column", "contraction", ... */
/* The program's state of that name, made when an entry first mentions it; its index. */
int plan_state(Arena *a, PlanStates *states, const char *name, Type type, int rank,
               const int64_t *shape);

/* -- layout.c ------------------------------------------------------------------------ */
/* Elements from row to row of n's last axis (1 for a scalar); from one index of each axis to
 * the next; that n takes where it lies, gaps included. */
int64_t plan_pitch(Plan *p, const Node *n);
void plan_strides(Plan *p, const Node *n, int64_t *stride);
int64_t plan_room(Plan *p, const Node *n);

/* -- weights.c ----------------------------------------------------------------------- */
/* Copies of states in the type of activations, for products to read. */
void plan_weights(Plan *p);

/* -- once.c -------------------------------------------------------------------------- */
/* Which nodes are computed once for many runs, and which of them are kept. */
void plan_once(Plan *p);

/* -- apart.c -------------------------------------------------------------------------- */
/* Which products are a library's though maps follow on their sums (TargetProducts.own). */
void plan_apart(Plan *p);
/* n, which is about to be grouped: is it a map on the sums of one of these? */
void plan_note_epilogue(Plan *p, Node *n);

/* -- own.c: one owner for every stored value ---------------------------------------- */
void plan_own(Plan *p);

/* -- sources.c ---------------------------------------------------------------------- */
const Sources *node_sources(Plan *p, Node *n);
/* Finds them for a whole region, before any of it is grouped. */
void plan_sources(Plan *p, const Region *r);
/* Is it known that n waits for `above`, a node of its region? Other ways than the longest
 * are not looked for. */
bool node_is_below(Plan *p, const Node *n, const Node *above);

/* -- group.c ------------------------------------------------------------------------ */
/* Every computed node belongs to one group afterwards. */
void plan_group(Plan *p);
Group *plan_new_group(Plan *p, Region *r, GroupKind kind);

/* -- group_rows.c ------------------------------------------------------------------- */
/* All members of `from`, whose rows are those of g; then it is dropped. */
void group_take(Plan *p, Group *g, Group *from);

/* -- stored.c ----------------------------------------------------------------------- */
/* Which members' values must be in memory; again after groups were merged. */
void plan_stored(Plan *p);

/* -- chain.c -------------------------------------------------------------------------- */
void plan_chains(Plan *p);

/* -- loop_kernel.c -------------------------------------------------------------------- */
/* Which loops are one kernel, on targets that have such (TargetLoops). */
void plan_loops(Plan *p);
/* The kernel that runs the loop around g and all of its body; or NULL. */
const LoopKernel *loop_around(Plan *p, const Group *g);
const LoopNear *loop_near(const LoopKernel *k, const Node *n); /* or NULL; k may be NULL */
/* From one index of each axis to the next; 0 for those that are fixed. */
void loop_near_strides(const LoopNear *x, int64_t *stride);

/* -- together.c ------------------------------------------------------------------------ */
/* Groups that add up partial sums are one where that can be (TargetRows.together_most). */
void plan_together(Plan *p);

/* -- beside.c -------------------------------------------------------------------------- */
/* Maps that read what a product's epilogue reads are computed there (TargetProducts.beside). */
void plan_beside(Plan *p);

/* -- rows.c --------------------------------------------------------------------------- */
void plan_rows(Plan *p);

/* -- order.c -------------------------------------------------------------------------- */
typedef VEC(Group *) Groups;
/* The groups that a node waits for: f is called at least once for each. */
void node_waits(Plan *p, Node *n, void (*f)(Group *before, void *ctx), void *ctx);
/* Does n read what group g computes through a view or a pack? */
bool node_reads_around(Plan *p, Node *n, const Group *g);
/* Lets g wait for `before`, whatever it reads. */
void group_wait_for(Plan *p, Group *g, Group *before);
/* What group g waits for, within its region. */
void group_waits(Plan *p, Group *g, void (*f)(Group *before, void *ctx), void *ctx);
/* Does `from` wait, directly or not, for `to`? */
bool group_follows(Plan *p, Group *from, Group *to);
/* Is it known from the nodes' forest (sources.c) that g waits for `to`? Quick. */
bool group_is_below(Plan *p, const Group *g, const Group *to);
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

/* -- launch.c ------------------------------------------------------------------------- */
/* Arguments, shapes and costs of all launches. */
void plan_launches(Plan *p);
double plan_flops(Graph *g, Expr *e); /* of one evaluation */

/* -- dear.c -------------------------------------------------------------------------- */
/* FLOPs that take as long as the draws and functions of a group. */
double plan_dear(Plan *p, const Group *g);

/* -- steps.c -------------------------------------------------------------------------- */
/* The groups of every region in order, loops as brackets. */
void plan_steps(Plan *p);

/* -- memory.c ------------------------------------------------------------------------- */
/* Lifetimes of temporary buffers, and their offsets in the arena. */
void plan_memory(Plan *p);

/* -- verify.c ------------------------------------------------------------------------- */
/* NULL when a complete plan holds together, else what is wrong, in the arena. */
const char *plan_verify(Plan *p);

/* -- dump.c --------------------------------------------------------------------------- */
/* A complete plan as text; see IR.md. */
void plan_dump(Plan *p, StrBuf *out);

#endif
