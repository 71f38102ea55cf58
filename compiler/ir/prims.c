/* SPDX-License-Identifier: MIT */
/* The scalar primitives as a table made from ops.def, and what the arithmetic
 * ones compute: the one meaning shared by constant folding and the evaluator. */
#include "compiler/ir/ir.h"

#include <math.h>
#include <string.h>

static const PrimInfo prims[PRIM_COUNT] = {
#define OP(name, arity, types, c, d0, d1, d2) \
  [P_##name] = {#name, arity, SIG_##types, c, {d0, d1, d2}},
#include "compiler/ir/ops.def"
#undef OP
};

const PrimInfo *prim_info(Prim p) { return &prims[p]; }

bool prim_find(const char *name, Prim *out) {
  for (int p = 0; p < PRIM_COUNT; p++)
    if (strcmp(prims[p].name, name) == 0) {
      *out = (Prim)p;
      return true;
    }
  return false;
}

bool prim_result(Prim p, const Type *args, Type *out) {
  Type a = args[0], b = prims[p].arity > 1 ? args[1] : a;
  *out = a;
  switch (prims[p].sig) {
  case SIG_NUM: return a != TY_BOOL && a == b;
  case SIG_REAL: return a == TY_REAL && b == TY_REAL;
  case SIG_CMP: *out = TY_BOOL; return a == b;
  case SIG_LOGIC: return a == TY_BOOL && b == TY_BOOL;
  case SIG_SEL: *out = b; return a == TY_BOOL && b == args[2];
  case SIG_TOREAL: *out = TY_REAL; return a != TY_REAL;
  case SIG_TOINT: *out = TY_INT; return a == TY_REAL;
  case SIG_DRAW: *out = TY_REAL; return a == TY_INT && b == TY_INT;
  }
  return false;
}

const char *type_name(Type t) {
  static const char *const names[] = {"real", "int", "bool"};
  return names[t];
}

const char *reducer_name(Reducer r) {
  static const char *const names[] = {"none", "sum", "max", "min", "prod", "argmax"};
  return names[r];
}

/* The remainder with the sign of the divisor; exact, as fmod is. */
static double real_mod(double a, double b) {
  double r = fmod(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

double prim_real(Prim p, double a, double b) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wswitch-enum"
  switch (p) {
  case P_add: return a + b;
  case P_sub: return a - b;
  case P_mul: return a * b;
  case P_div: return a / b;
  case P_mod: return real_mod(a, b);
  case P_neg: return -a;
  case P_min: return a <= b || a != a ? a : b; /* a NaN on either side wins */
  case P_max: return a >= b || a != a ? a : b;
  case P_pow: return pow(a, b);
  case P_exp: return exp(a);
  case P_log: return log(a);
  case P_sqrt: return sqrt(a);
  case P_rsqrt: return 1 / sqrt(a);
  case P_tanh: return tanh(a);
  case P_sigmoid: return a >= 0 ? 1 / (1 + exp(-a)) : exp(a) / (1 + exp(a));
  case P_erf: return erf(a);
  case P_sin: return sin(a);
  case P_cos: return cos(a);
  case P_abs: return fabs(a);
  case P_floor: return floor(a);
  case P_round: return rint(a);
  default: bug("%s is no arithmetic on reals", prims[p].name);
  }
#pragma GCC diagnostic pop
}

static bool int_div(int64_t a, int64_t b, int64_t *out) {
  if (b == 0 || (a == INT64_MIN && b == -1)) return false;
  *out = a / b - (a % b != 0 && (a < 0) != (b < 0));
  return true;
}

bool prim_int(Prim p, int64_t a, int64_t b, int64_t *out) {
  int64_t q;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wswitch-enum"
  switch (p) {
  case P_add: return !__builtin_add_overflow(a, b, out);
  case P_sub: return !__builtin_sub_overflow(a, b, out);
  case P_mul: return !__builtin_mul_overflow(a, b, out);
  case P_neg: return !__builtin_sub_overflow((int64_t)0, a, out);
  case P_div: return int_div(a, b, out);
  case P_mod:
    if (b == -1) {
      *out = 0;
      return true;
    }
    if (!int_div(a, b, &q)) return false;
    *out = a - q * b;
    return true;
  case P_min: *out = a <= b ? a : b; return true;
  case P_max: *out = a >= b ? a : b; return true;
  case P_abs:
    if (a >= 0) {
      *out = a;
      return true;
    }
    return !__builtin_sub_overflow((int64_t)0, a, out);
  default: bug("%s is no arithmetic on integers", prims[p].name);
  }
#pragma GCC diagnostic pop
}

int64_t prim_floor_int(double x) {
  if (x != x) return 0;
  x = floor(x);
  if (x >= 9223372036854775808.0) return INT64_MAX;
  if (x < -9223372036854775808.0) return INT64_MIN;
  return (int64_t)x;
}
