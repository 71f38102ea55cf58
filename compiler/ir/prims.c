/* SPDX-License-Identifier: MIT */
/* The scalar primitives as a table made from ops.def, and what they compute: the
 * one meaning shared by constant folding and the evaluator. */
#include "compiler/ir/ir.h"

#include <math.h>
#include <string.h>

/* ---- what ops.def is written in -------------------------------------------- */

double real_mod(double a, double b) {
  double r = fmod(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

double real_min(double a, double b) { return a <= b || a != a ? a : b; }
double real_max(double a, double b) { return a >= b || a != a ? a : b; }
double real_sigmoid(double a) { return a >= 0 ? 1 / (1 + exp(-a)) : exp(a) / (1 + exp(a)); }

bool int_div(int64_t a, int64_t b, int64_t *x) {
  *x = 0;
  if (b == 0 || (a == INT64_MIN && b == -1)) return false;
  *x = a / b - (a % b != 0 && (a < 0) != (b < 0));
  return true;
}

bool int_mod(int64_t a, int64_t b, int64_t *x) {
  int64_t q;
  *x = 0;
  if (b == -1) return true;
  if (!int_div(a, b, &q)) return false;
  *x = a - q * b;
  return true;
}

bool int_min(int64_t a, int64_t b, int64_t *x) {
  *x = a <= b ? a : b;
  return true;
}

bool int_max(int64_t a, int64_t b, int64_t *x) {
  *x = a >= b ? a : b;
  return true;
}

bool int_abs(int64_t a, int64_t *x) {
  *x = a;
  return a >= 0 || !__builtin_sub_overflow((int64_t)0, a, x);
}

int64_t prim_floor_int(double x) {
  if (x != x) return 0;
  x = floor(x);
  return x >= IR_INT_MAX ? IR_INT_MAX : x <= IR_INT_MIN ? IR_INT_MIN : (int64_t)x;
}

/* ---- values: functions of a line, by its signature ---------------------------- */

#define REAL_FUNCTION(name, value)                   \
  static double real_of_##name(double a, double b) { \
    (void)b;                                         \
    return value;                                    \
  }
#define INT_FUNCTION(name, ints)                                \
  static bool int_of_##name(int64_t a, int64_t b, int64_t *x) { \
    (void)b;                                                    \
    return ints;                                                \
  }
#define CONDITION(name, suffix, type, value)         \
  static bool holds_##name##suffix(type a, type b) { \
    (void)b;                                         \
    return value;                                    \
  }
#define FUNCTIONS_NUM(name, value, ints) REAL_FUNCTION(name, value) INT_FUNCTION(name, ints)
#define FUNCTIONS_REAL(name, value, ints) REAL_FUNCTION(name, value)
#define FUNCTIONS_CMP(name, value, ints) \
  CONDITION(name, _real, double, value) CONDITION(name, , int64_t, value)
#define FUNCTIONS_LOGIC(name, value, ints) CONDITION(name, , int64_t, value)
#define FUNCTIONS_SEL(name, value, ints)
#define FUNCTIONS_TOREAL(name, value, ints)
#define FUNCTIONS_TOINT(name, value, ints)
#define FUNCTIONS_DRAW(name, value, ints)
#define FUNCTIONS_PICK(name, value, ints)
#define OP(name, arity, types, call, cost, value, ints, ...) FUNCTIONS_##types(name, value, ints)
#include "compiler/ir/ops.def"
#undef OP

/* ---- the table ---------------------------------------------------------------- */

#define VALUES_NUM(name) \
  { .real = real_of_##name, .whole = int_of_##name }
#define VALUES_REAL(name) \
  { .real = real_of_##name }
#define VALUES_CMP(name) \
  { .holds_real = holds_##name##_real, .holds = holds_##name }
#define VALUES_LOGIC(name) \
  { .holds = holds_##name }
#define VALUES_SEL(name) \
  { .real = NULL }
#define VALUES_TOREAL(name) \
  { .real = NULL }
#define VALUES_TOINT(name) \
  { .real = NULL }
#define VALUES_DRAW(name) \
  { .real = NULL }
#define VALUES_PICK(name) \
  { .real = NULL }

typedef struct PrimValue {
  double (*real)(double a, double b);
  bool (*whole)(int64_t a, int64_t b, int64_t *x);
  bool (*holds_real)(double a, double b);
  bool (*holds)(int64_t a, int64_t b);
} PrimValue;

static const PrimValue values[PRIM_COUNT] = {
#define OP(name, arity, types, ...) [P_##name] = VALUES_##types(name),
#include "compiler/ir/ops.def"
#undef OP
};

static const PrimInfo prims[PRIM_COUNT] = {
#define OP(name, arity, types, call, cost, value, ints, spelling, d0, d1, d2) \
  [P_##name] = {#name, arity, SIG_##types, CALL_##call, cost, spelling, {d0, d1, d2}},
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

bool prim_find_callable(const char *name, Prim *out) {
  return prim_find(name, out) && prims[*out].call != CALL_SYNTAX;
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
  case SIG_PICK: return a == TY_INT && b == TY_INT && args[2] == TY_INT;
  }
  return false;
}

bool prim_draws(Prim p) { return prims[p].sig == SIG_DRAW || prims[p].sig == SIG_PICK; }

bool prim_expensive(Prim p) {
  enum { CHEAP = 4 };
  return prims[p].cost > CHEAP;
}

const char *type_name(Type t) {
  static const char *const names[] = {"real", "int", "bool"};
  return names[t];
}

const char *reducer_name(Reducer r) {
  static const char *const names[] = {"none", "sum", "max", "min", "prod", "argmax"};
  return names[r];
}

double prim_real(Prim p, double a, double b) {
  if (!values[p].real) bug("%s is no arithmetic on reals", prims[p].name);
  return values[p].real(a, b);
}

bool prim_int(Prim p, int64_t a, int64_t b, int64_t *out) {
  if (!values[p].whole) bug("%s is no arithmetic on integers", prims[p].name);
  return values[p].whole(a, b, out);
}

bool prim_holds_real(Prim p, double a, double b) {
  if (!values[p].holds_real) bug("%s does not compare reals", prims[p].name);
  return values[p].holds_real(a, b);
}

bool prim_holds(Prim p, int64_t a, int64_t b) {
  if (!values[p].holds) bug("%s is no condition", prims[p].name);
  return values[p].holds(a, b);
}
