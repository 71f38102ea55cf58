/* SPDX-License-Identifier: MIT */
/* What the files that make random programs share. See randtext.h. */
#ifndef TDC_TESTS_RANDTEXT_INTERNAL_H
#define TDC_TESTS_RANDTEXT_INTERNAL_H

#include "tests/randtext/randtext.h"

enum { MOST_TENSORS = 40, MOST_VARS = 16, MOST_AXES = 3, DIMS = 3, SYMBOLS = 5 };

typedef struct Tensor {
  const char *name;
  int rank, extent[MOST_AXES];
  int dim[MOST_AXES]; /* its identity; -1: none, or not known here */
  bool exact;         /* an input: single precision holds its numbers */
  bool whole;         /* no real numbers */
  bool truth;         /* truth values */
  int depth;          /* of the loop it was made in */
} Tensor;

typedef struct Var {
  const char *name;
  int extent;
  bool written; /* its range is: a bare use says nothing then */
  bool index;   /* not a loop's variable */
} Var;

typedef struct Gen {
  RandText *t;
  Arena *a;
  uint64_t state;
  int dim[DIMS]; /* extents of M, N, P */
  int window;    /* W */
  Tensor tensor[MOST_TENSORS];
  int ntensors;
  Var var[MOST_VARS];
  int nvars;
  int depth, names, letters;
  int leaves;  /* that an expression may still have */
  int made[2]; /* extents that `made` takes; 0: there is no such op */
  bool called; /* it is */
  bool sub;    /* so is the model `sub` */
} Gen;

#define ONE_OF(g, ...)    \
  ((const char *const[]){ \
      __VA_ARGS__}[below(g, (int)(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *)))])
#define TEXT(...) arena_printf(g->a, __VA_ARGS__)

extern const char *const text_dims[DIMS];

/* -- place.c -------------------------------------------------------------------------- */
void seed_chance(Gen *g, uint64_t seed);
int below(Gen *g, int n);
bool chance(Gen *g, int percent);
void line(Gen *g, const char *text, bool opens, bool closes);
Tensor *add_tensor(Gen *g, const char *name, int rank, const int *extent, const int *dim);
const Tensor *any_tensor(Gen *g, bool exact); /* of real numbers; exact: an input */
const char *symbol(Gen *g);
const char *place(Gen *g, int extent);
const char *read_of(Gen *g, const Tensor *t);
const char *read_of_call(Gen *g);
const char *letter(Gen *g); /* a name for an index that nothing else has */

/* -- expr.c --------------------------------------------------------------------------- */
const char *expr(Gen *g, int depth);
const char *condition(Gen *g, int depth);

/* -- stmt.c --------------------------------------------------------------------------- */
int budget(Gen *g); /* a depth, and leaves for it */
void loop_variables(Gen *g, int outer, const Var *loops);
void statement(Gen *g, const Var *loops, int nloops);
void ranged_statement(Gen *g);
void whole_statement(Gen *g);
void product_statement(Gen *g);
void block_statement(Gen *g);
void made_statement(Gen *g); /* a call of `made`, where there is something to call it with */
void truth_statement(Gen *g);
void steep_statement(Gen *g);
void pieces_statement(Gen *g);

/* -- loop.c --------------------------------------------------------------------------- */
void loop_statement(Gen *g);

/* -- integer.c ------------------------------------------------------------------------ */
void integer_statement(Gen *g);
void integer_use(Gen *g);
void counting_statement(Gen *g);
void symbol_statement(Gen *g);

#endif
