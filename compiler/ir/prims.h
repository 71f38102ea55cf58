/* SPDX-License-Identifier: MIT */
/* The scalar types, and the primitives of expressions: one line each in ops.def. */
#ifndef TDC_PRIMS_H
#define TDC_PRIMS_H

#include "dsl/base.h"

typedef enum { TY_REAL, TY_INT, TY_BOOL } Type;
const char *type_name(Type t); /* "real", "int", "bool" */

typedef enum {
#define OP(name, arity, types, c, d0, d1, d2) P_##name,
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
  SIG_DRAW
} PrimSig;

typedef struct PrimInfo {
  const char *name;
  int arity;
  PrimSig sig;
  const char *c; /* C spelling */
  const char *derivative[3];
} PrimInfo;
const PrimInfo *prim_info(Prim p);
bool prim_find(const char *name, Prim *out);
/* The type of prim(args) for argument types args[arity]; false: it does not take them. */
bool prim_result(Prim p, const Type *args, Type *out);
/* The meaning of the arithmetic primitives, for folding and for the evaluator
 * (b is ignored by unary ones). Integers: false on overflow and division by 0. */
double prim_real(Prim p, double a, double b);
bool prim_int(Prim p, int64_t a, int64_t b, int64_t *out);
int64_t prim_floor_int(double x); /* `int`: floor; saturates, NaN -> 0 */

#endif
