/* SPDX-License-Identifier: MIT */
/* Where a real number lies by its form: clamp(x, 0, 9), n * uniform(), n * (x % 1), sigmoid(x). The
 * integer that int() makes of it is kept there, so that an index computed by arithmetic needs no
 * proof of its own: whatever a product rounds to, int(n * uniform()) is one of 0 .. n - 1. As
 * int() of NaN is 0, that is among them too. */
#include <math.h>

#include "compiler/lower/lower.h"
#include "compiler/lower/value.h"

enum { DEPTH = 16, STEPS = 256 };

typedef struct Real {
  double lo, hi;
  bool below; /* less than hi */
} Real;

typedef struct Ranging {
  Lowering *l;
  int steps; /* taken so far, against expressions made to take long */
} Ranging;

static const Real anywhere = {-(double)INFINITY, (double)INFINITY, false};

static Real range(Ranging *r, Expr *e, int depth);

static Real sum(Real a, Real b) { return (Real){a.lo + b.lo, a.hi + b.hi, a.below || b.below}; }

static Real negated(Real a) { return (Real){-a.hi, -a.lo, false}; }

/* 0 times what has no bound is 0 at the bound. */
static double times(double a, double b) { return a == 0 || b == 0 ? 0 : a * b; }

static Real product(Real a, Real b) {
  double p = times(a.lo, b.lo), q = times(a.lo, b.hi), r = times(a.hi, b.lo), s = times(a.hi, b.hi);
  bool positive = a.lo >= 0 && b.lo >= 0 && a.hi > 0 && b.hi > 0;
  return (Real){fmin(fmin(p, q), fmin(r, s)), fmax(fmax(p, q), fmax(r, s)),
                positive && (a.below || b.below)};
}

static double over(double a, double b) { return isinf(b) ? 0 : a / b; }

static Real quotient(Real a, Real b) {
  if (!(b.lo > 0)) return anywhere;
  return (Real){fmin(over(a.lo, b.lo), over(a.lo, b.hi)), fmax(over(a.hi, b.lo), over(a.hi, b.hi)),
                a.below && a.lo >= 0};
}

static Real least(Real a, Real b) {
  return (Real){fmin(a.lo, b.lo), fmin(a.hi, b.hi), a.hi < b.hi ? a.below : b.below};
}

static Real greatest(Real a, Real b) {
  bool below = a.hi > b.hi ? a.below : b.hi > a.hi ? b.below : a.below && b.below;
  return (Real){fmax(a.lo, b.lo), fmax(a.hi, b.hi), below};
}

static Real hull(Real a, Real b) {
  Real r = greatest(a, b);
  r.lo = fmin(a.lo, b.lo);
  return r;
}

static Real magnitude(Real a) {
  Real r = greatest(a, negated(a));
  r.lo = a.lo > 0 ? a.lo : a.hi < 0 ? -a.hi : 0;
  return r;
}

/* Of a function that grows. */
static Real through(double (*f)(double), Real a) { return (Real){f(a.lo), f(a.hi), false}; }

static Real of_integer(Ranging *r, Expr *e) {
  int64_t lo, hi;
  if (!interval_here(r->l, e, &lo, &hi)) return anywhere;
  return (Real){(double)lo, (double)hi, false};
}

static Real of_primitive(Ranging *r, Expr *e, int depth) {
  static const Real to_one = {0, 1, true}, share = {0, 1, false}, even = {-1, 1, false};
  if (e->prim == P_real) return e->args[0]->type == TY_INT ? of_integer(r, e->args[0]) : share;
  if (e->prim == P_uniform) return to_one;
  if (e->prim == P_select) return hull(range(r, e->args[1], depth), range(r, e->args[2], depth));
  Real a = e->nargs > 0 && e->args[0]->type == TY_REAL ? range(r, e->args[0], depth) : anywhere;
  Real b = e->nargs > 1 && e->args[1]->type == TY_REAL ? range(r, e->args[1], depth) : anywhere;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wswitch-enum"
  switch (e->prim) {
  case P_add: return sum(a, b);
  case P_sub: return sum(a, negated(b));
  case P_neg: return negated(a);
  case P_mul: return product(a, b);
  case P_div: return quotient(a, b);
  case P_mod: return b.lo > 0 ? (Real){0, b.hi, true} : anywhere;
  case P_min: return least(a, b);
  case P_max: return greatest(a, b);
  case P_abs: return magnitude(a);
  case P_floor: return through(floor, a);
  case P_round: return through(rint, a);
  case P_exp: return through(exp, a);
  case P_sqrt: return a.lo >= 0 ? through(sqrt, a) : (Real){0, a.hi >= 0 ? sqrt(a.hi) : 0, false};
  case P_sigmoid: return share;
  case P_tanh:
  case P_erf:
  case P_sin:
  case P_cos: return even;
  case P_atan: return (Real){-2, 2, false};
  default: return anywhere;
  }
#pragma GCC diagnostic pop
}

static Real range(Ranging *r, Expr *e, int depth) {
  if (depth == 0 || ++r->steps > STEPS) return anywhere;
  e = named_value(r->l->g, e);
  Real x = e->kind == E_NUM    ? (Real){e->num, e->num, false}
           : e->kind == E_PRIM ? of_primitive(r, e, depth - 1)
                               : anywhere;
  return x.lo <= x.hi ? x : anywhere;
}

/* Bounds are rounded too: near a whole number it may be that one. */
static double outwards(double x, double sign) {
  return x == floor(x) || isinf(x) ? x : x + sign * fabs(x) * 0x1p-20;
}

Expr *integer_within(Lowering *l, Expr *whole, Expr *of) {
  Ranging r = {.l = l};
  Real x = range(&r, of, DEPTH);
  bool below = x.below && x.hi == floor(x.hi);
  double lo = fmin(0, floor(outwards(x.lo, -1))), hi = floor(outwards(x.hi, 1)) - below;
  hi = fmax(0, hi);
  if (lo > (double)IR_INT_MIN) whole = ex2(l->g, P_max, whole, ex_int(l->g, (int64_t)lo));
  if (hi < (double)IR_INT_MAX) whole = ex2(l->g, P_min, whole, ex_int(l->g, (int64_t)hi));
  return whole;
}
