/* SPDX-License-Identifier: MIT */
/* Scalar expressions and loops as text, shared by the writers of all targets whose
 * kernels are in a language like C: dialect.h has the words. What a kernel is given
 * (Group.launch) is decided before: here it only gets names. Grouped by file. */
#ifndef TDC_EMIT_H
#define TDC_EMIT_H

#include "compiler/emit/dialect.h"
#include "compiler/plan/plan.h"
#include "dsl/namemap.h"

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
  bool used;                   /* its name was printed; writers may clear this */
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

/* By expression id. One for all kernels of a plan, which are written one after the other;
 * the serial of a level tells what is of the present one. */
typedef struct EmitMemos {
  EmitMemo *at;
  int cap;
  unsigned serials;
} EmitMemos;

typedef struct Emit {
  const Dialect *dialect;
  Plan *plan;
  Graph *g;
  Arena *arena;
  Group *group;
  const Launch *launch; /* what the kernel is given: the group's, or of several groups */
  EmitLevel level[EMIT_LEVELS];
  int next_name; /* numbers every identifier of the function */
  EmitMemos *memos;
  /* the variables in scope */
  int nvars;
  const char *var[IR_MAX_VARS];
  int64_t extent[IR_MAX_VARS];
  int var_level[IR_MAX_VARS];
  bool short_vars; /* they are declared in 32 bits */
  int row_level;   /* where values computed by this kernel begin to exist */
  bool in_bounds;  /* reads need no checks */
  EmitRun run;
  VEC(EmitPointer) pointers;
  VEC(EmitLocal) locals;
  bool uses_control;
  bool has_gauss, looked_for_gauss; /* value.c */
  uint32_t uses_counters;           /* by slot */
  uint32_t used_vars; /* bit v: the name of variable v was printed; writers may clear this */
} Emit;

/* -- scope.c ------------------------------------------------------------------------- */
void emit_begin(Emit *em, Plan *p, Group *group);
void emit_end(Emit *em);
void emit_open(Emit *em, int level); /* a fresh, empty level */
/* Let e stand for the name at `level` and deeper. */
void emit_define(Emit *em, Expr *e, int level, const char *name);
const EmitMemo *emit_remembered(Emit *em, const Expr *e); /* e's name in scope, or NULL */
const char *emit_name(Emit *em, const char *stem);        /* a fresh identifier */
const char *emit_var(Emit *em, int v); /* the name of variable v, to be printed */
const char *emit_var_type(const Emit *em);
/* A node's name as part of an identifier, of at most so many characters. */
const char *emit_stem(Arena *a, const char *name, size_t most);
const char *emit_ctype(const Emit *em, Type t);           /* of stored values */
const char *emit_zero(const Emit *em, Reducer r, Type t); /* what an empty reduction yields */

/* -- value.c ------------------------------------------------------------------------- */
/* Text of e's value, valid at `level`; temporaries go to the levels' texts. */
const char *emit_value(Emit *em, Expr *e, int level);

/* -- place.c ------------------------------------------------------------------------- */
/* Of n[args] in its buffer or array, in elements. */
Expr *emit_position(Emit *em, const Node *n, Expr *const *args);
/* The place of n[args]: "name[...]" as an lvalue, valid at `level`. */
const char *emit_element(Emit *em, Node *n, Expr *const *args, int level, bool writes);
/* The statement that stores a value at the place `at` of n. */
const char *emit_store(Emit *em, const Node *n, const char *at, const char *value);

/* -- loop.c -------------------------------------------------------------------------- */
/* The head of a loop over var = from .. to - 1. Are its iterations independent, so that it is
 * a vector loop where the dialect has them, then `clauses` are that loop's, or ""; else NULL. */
void emit_for(const Emit *em, StrBuf *out, const char *var, const char *from, const char *to,
              const char *clauses);

/* -- scatter.c ----------------------------------------------------------------------- */
/* The variable that stands bare in index d and nowhere else among the indices; -1: none. */
int scatter_bare(const Node *n, int d);
/* When a scatter's value lands inside: its guard, and bounds that were not proved; NULL: always. */
const char *emit_condition(Emit *em, const Node *n, int level);

/* -- product.c ----------------------------------------------------------------------------- */
/* The finished value of a product, from the text of its bare sum: its factor, its condition. */
const char *emit_finished(Emit *em, const struct Contraction *c, int level, const char *sum);

/* -- storage.c ----------------------------------------------------------------------- */
EmitLocal *emit_local(Emit *em, const Node *n);           /* or NULL */
const char *emit_pointer(Emit *em, Node *n, bool writes); /* the name of a pointer to n's value */
/* A buffer as a pointer to `type`. */
const char *emit_buffer(Emit *em, int buffer, const char *type, bool writes);
/* Declarations for the top of the function: pointers, counters, control. */
void emit_prologue(Emit *em, StrBuf *out);

/* -- numbers.c ----------------------------------------------------------------------- */
typedef VEC(double) EmitNumbers;
/* The text of a number that a launch may give: marked, if it is one. */
const char *emit_given(const Emit *em, const Expr *e, const char *text);
bool numbers_mark(char c);
/* The number at the end of *out, which this mark follows, goes into the list; # stands for it. */
void numbers_take(Arena *a, StrBuf *out, char mark, EmitNumbers *numbers);

/* -- kernels.c ----------------------------------------------------------------------- */
typedef struct KernelText { /* its name stands between before and after; the body has marks */
  const char *before, *after, *body;
  int nargs; /* of its launches */
} KernelText;
typedef struct KernelUse { /* one launch, with the numbers that are marked in the kernel's body */
  int kernel, n;
  const double *number;
} KernelUse;
typedef struct Kernels {
  VEC(TdKernel) at;
  VEC(KernelText) text;
  VEC(KernelUse) uses; /* by launch: in the order of entries and their steps */
  VEC(int) twin;       /* the next one whose text without names and numbers is the same; -1 */
  NameMap bodies;      /* from such a text to 1 + the first kernel of it */
  NameMap names;       /* that are taken */
  NameMap numbered;    /* from a name without a number to the last number tried with it */
} Kernels;
/* The index of the group's kernel, for one launch; it is written unless an equal one is there. */
int kernel_of(Kernels *ks, Plan *p, Group *g);
/* When all launches are known: the kernels' texts; launches that differ in numbers are given
 * these. All launches of these entries were told to kernel_of, in their order. */
void kernels_finish(Kernels *ks, Arena *a, const Dialect *d, TdEntry *entries, int n);
/* numbers.c: its part of that. body[k] becomes that of kernel k without marks. */
void numbers_give(const Kernels *ks, Arena *a, const Dialect *d, TdEntry *entries, int n,
                  const char **body);
/* The where, text and inside of a step whose first statement is n. */
void emit_place(Arena *a, Diags *d, const Node *n, TdStep *step);

#endif
