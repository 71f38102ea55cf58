/* SPDX-License-Identifier: MIT */
/* Values while lowering: numbers, texts, functions, and tensors as lambdas over
 * symbolic index variables. */
#ifndef TDC_LOWER_VALUE_H
#define TDC_LOWER_VALUE_H

#include "compiler/lower/lower.h"

typedef struct ValueAxis {
  int64_t extent;
  const char *id; /* identity; NULL = none, aligns with nothing */
  int var;        /* symbolic variable that stands for it in the lambda */
} ValueAxis;

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

struct Value {
  ValueKind kind;
  bool is_int; /* V_NUM */
  int64_t inum;
  double num;
  const char *id; /* V_NUM: the dim or axis it is; V_TENSOR of int: the V of id<V>; or NULL */
  int rank;       /* V_TENSOR */
  ValueAxis axis[IR_MAX_RANK];
  Expr *e;
  Span span;        /* where it was defined, for notes */
  const char *what; /* how to call it in a message: the source name, or NULL */
  const char *str;
  Fn *fn;
  DiffusionSchedule *schedule;
  Data *data;
  int param;     /* V_PARAM: index into Lowering.params */
  Value **parts; /* V_PACKED */
  int nparts;
  Value *given; /* a text parameter's mask */
};

/* -- lower_value.c: making, aligning and materialising values ------------------- */
Value *v_poison(Lowering *l);
Value *v_int(Lowering *l, int64_t x, const char *id);
Value *v_real(Lowering *l, double x);
Value *v_scalar(Lowering *l, Expr *e);
Value *v_of_node(Lowering *l, Node *n, const char *const *ids); /* axes with fresh variables */
bool v_scalar_like(const Value *v);                             /* V_NUM or rank 0 */
Expr *v_expr(Lowering *l, const Value *v);                      /* of V_NUM or V_TENSOR */
Type v_type(const Value *v);
Expr *to_real(Lowering *l, Expr *e);
int new_var(Lowering *l, int64_t extent, const char *name);
Expr *subst1(Lowering *l, Expr *e, int var, Expr *by);
Expr *subst_vars(Lowering *l, Expr *e, const int *vars, Expr *const *by, int n);
/* A copy of a lambda with fresh variables. */
Value *v_fresh(Lowering *l, const Value *v);
/* Bring values to common axes (by identity; one must have them all), rewriting
 * their expressions; false after an error. out gets the axes. */
bool v_align(Lowering *l, Value **vs, int n, Span at, Value *out);
/* May a tensor have so many elements, 2^bits of them? Else an error that calls it `what`. */
enum { ELEMENT_BITS = 40, MADE_UP_BITS = 58 }; /* 58: bytes still fit 64 bits */
bool elements_fit(Lowering *l, const char *what, const int64_t *extent, int n, Span at);
bool elements_within(Lowering *l, int bits, const char *what, const int64_t *extent, int n,
                     Span at);
/* The node of a lambda: hidden free variables first, then its axes. */
Node *value_node(Lowering *l, Value *v, const char *name, Span at);
/* value_node, and the value that reads it. */
Value *value_bind(Lowering *l, Value *v, const char *name, Span at);
typedef VEC(int) Ints;
void free_vars(Lowering *l, Expr *e, Ints *out); /* symbolic variables, ascending */

/* -- lower_reads.c --------------------------------------------------------------- */
/* e as the body of a node, which is computed at every index: 0 where one of its reads is out of
 * bounds. Nothing asks for it there, since the condition that proved the read does not hold. */
Expr *defined_everywhere(Lowering *l, Expr *e);
/* e, seen through the plain comprehensions that merely name it. */
Expr *named_value(Graph *g, Expr *e);

#endif
