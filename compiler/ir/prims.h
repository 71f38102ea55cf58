/* SPDX-License-Identifier: MIT */
/* The scalar types, and the primitives of expressions: one line each in ops.def,
 * from which their numbers, parsing, values, gradients, costs and spellings follow. */
#ifndef TDC_PRIMS_H
#define TDC_PRIMS_H

#include "dsl/base.h"

typedef enum { TY_REAL, TY_INT, TY_BOOL } Type;
const char *type_name(Type t); /* "real", "int", "bool" */

typedef enum {
#define OP(name, ...) P_##name,
#include "compiler/ir/ops.def"
#undef OP
  PRIM_COUNT
} Prim;

typedef enum {
  SIG_NUM,
  SIG_REAL,
  SIG_CMP,
  SIG_LOGIC,
  SIG_SEL,
  SIG_TOREAL,
  SIG_TOINT,
  SIG_DRAW,
  SIG_PICK
} PrimSig;

/* How the language writes it. */
typedef enum {
  CALL_SYNTAX, /* an operator, or a construct of its own */
  CALL_NAME,   /* name(arguments) */
  CALL_MANY    /* the same with 2 to 8 arguments, from the left */
} PrimCall;

typedef struct PrimInfo {
  const char *name;
  int arity;
  PrimSig sig;
  PrimCall call;
  double cost;          /* in additions */
  const char *spelling; /* see ops.def */
  const char *derivative[3];
} PrimInfo;
const PrimInfo *prim_info(Prim p);
bool prim_find(const char *name, Prim *out);
bool prim_find_callable(const char *name, Prim *out); /* by what a .td file may call */
bool prim_draws(Prim p); /* a draw: of a site, a counter and what it may take besides */
/* The type of prim(args) for argument types args[arity]; false: it does not take them. */
bool prim_result(Prim p, const Type *args, Type *out);
/* Costs so much that it is not computed twice where that can be avoided. */
bool prim_expensive(Prim p);

/* -- values, for folding and for the evaluator ------------------------------- */
/* NUM and REAL on reals (b is ignored by unary ones). */
double prim_real(Prim p, double a, double b);
/* NUM on integers: false where the result does not exist, see `ints` in ops.def. */
bool prim_int(Prim p, int64_t a, int64_t b, int64_t *out);
/* CMP on reals. */
bool prim_holds_real(Prim p, double a, double b);
/* CMP on integers and truth values, LOGIC. */
bool prim_holds(Prim p, int64_t a, int64_t b);
int64_t prim_floor_int(double x); /* `int`: floor; saturates at 32 bits, NaN -> 0 */

/* What ops.def is written in. */
double real_mod(double a, double b); /* exact, as fmod; with the sign of b */
double real_min(double a, double b); /* a NaN on either side wins */
double real_max(double a, double b);
double real_sigmoid(double a);
bool int_div(int64_t a, int64_t b, int64_t *x); /* floored */
bool int_mod(int64_t a, int64_t b, int64_t *x); /* with the sign of b */
bool int_min(int64_t a, int64_t b, int64_t *x);
bool int_max(int64_t a, int64_t b, int64_t *x);
bool int_abs(int64_t a, int64_t *x);

#endif
