/* SPDX-License-Identifier: MIT */
/* Intervals of integer expressions, from the extents of variables, the counts
 * of loops and the bounds of integer nodes. INT64_MIN and INT64_MAX stand for
 * "unbounded". Bools are 0 .. 1, so a comparison that cannot fail is 1 .. 1. */
#include "compiler/ir/ir.h"
#include "compiler/ir/walk.h"

typedef struct Interval {
  int64_t lo, hi;
} Interval;

static const Interval everything = {INT64_MIN, INT64_MAX};

static bool unbounded(int64_t x) { return x == INT64_MIN || x == INT64_MAX; }

static int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max64(int64_t a, int64_t b) { return a > b ? a : b; }

/* a + b of two lower or two upper ends; `infinite` is what unbounded is there. */
static int64_t plus(int64_t a, int64_t b, int64_t infinite) {
  int64_t sum;
  if (a == infinite || b == infinite) return infinite;
  return __builtin_add_overflow(a, b, &sum) ? (a < 0 ? INT64_MIN : INT64_MAX) : sum;
}

static Interval add(Interval a, Interval b) {
  return (Interval){plus(a.lo, b.lo, INT64_MIN), plus(a.hi, b.hi, INT64_MAX)};
}

static int64_t negate64(int64_t x) {
  return x == INT64_MIN ? INT64_MAX : x == INT64_MAX ? INT64_MIN : -x;
}

static Interval negate(Interval a) { return (Interval){negate64(a.hi), negate64(a.lo)}; }

/* A product with infinities as in arithmetic of limits, 0 * inf = 0. */
static int64_t times(int64_t a, int64_t b) {
  if (a == 0 || b == 0) return 0;
  if (unbounded(a) || unbounded(b)) return (a < 0) != (b < 0) ? INT64_MIN : INT64_MAX;
  int64_t product;
  if (!__builtin_mul_overflow(a, b, &product)) return product;
  return (a < 0) != (b < 0) ? INT64_MIN : INT64_MAX;
}

static Interval mul(Interval a, Interval b) {
  int64_t p = times(a.lo, b.lo), q = times(a.lo, b.hi), r = times(a.hi, b.lo),
          s = times(a.hi, b.hi);
  return (Interval){min64(min64(p, q), min64(r, s)), max64(max64(p, q), max64(r, s))};
}

static int64_t quotient(int64_t a, int64_t b) { return unbounded(a) ? a : floor_div(a, b); }

static Interval divide(Interval a, Interval b) {
  if (b.lo <= 0 || b.hi == INT64_MAX) return everything;
  Interval r;
  r.lo = min64(quotient(a.lo, b.lo), quotient(a.lo, b.hi));
  r.hi = max64(quotient(a.hi, b.lo), quotient(a.hi, b.hi));
  return r;
}

static Interval modulo(Interval a, Interval b) {
  if (b.lo <= 0 || b.hi == INT64_MAX) return everything;
  if (b.lo == b.hi && !unbounded(a.lo) && !unbounded(a.hi) &&
      quotient(a.lo, b.lo) == quotient(a.hi, b.lo)) {
    int64_t shift = quotient(a.lo, b.lo) * b.lo;
    return (Interval){a.lo - shift, a.hi - shift};
  }
  return (Interval){0, a.lo >= 0 ? min64(b.hi - 1, a.hi) : b.hi - 1};
}

static Interval absolute(Interval a) {
  if (a.lo >= 0) return a;
  if (a.hi <= 0) return negate(a);
  return (Interval){0, max64(negate64(a.lo), a.hi)};
}

static Interval less(Interval a, Interval b, bool or_equal) {
  bool always = or_equal ? a.hi <= b.lo : a.hi < b.lo;
  bool never = or_equal ? a.lo > b.hi : a.lo >= b.hi;
  always = always && a.hi != INT64_MAX && b.lo != INT64_MIN;
  never = never && a.lo != INT64_MIN && b.hi != INT64_MAX;
  return (Interval){always, !never};
}

static Interval equal(Interval a, Interval b, bool positive) {
  bool always = a.lo == a.hi && b.lo == b.hi && a.lo == b.lo && !unbounded(a.lo);
  bool never = a.hi < b.lo || b.hi < a.lo;
  return positive ? (Interval){always, !never} : (Interval){never, !always};
}

static Interval of_prim(const Expr *e, Interval a, Interval b, Interval c) {
  bool bounded_args = e->nargs > 0 && e->args[0]->type != TY_REAL;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wswitch-enum"
  switch (e->prim) {
  case P_add: return add(a, b);
  case P_sub: return add(a, negate(b));
  case P_mul: return mul(a, b);
  case P_div: return divide(a, b);
  case P_mod: return modulo(a, b);
  case P_neg: return negate(a);
  case P_abs: return absolute(a);
  case P_min: return (Interval){min64(a.lo, b.lo), min64(a.hi, b.hi)};
  case P_max: return (Interval){max64(a.lo, b.lo), max64(a.hi, b.hi)};
  case P_lt:
  case P_le: return bounded_args ? less(a, b, e->prim == P_le) : (Interval){0, 1};
  case P_eq:
  case P_ne: return bounded_args ? equal(a, b, e->prim == P_eq) : (Interval){0, 1};
  case P_and: return (Interval){min64(a.lo, b.lo), min64(a.hi, b.hi)};
  case P_or: return (Interval){max64(a.lo, b.lo), max64(a.hi, b.hi)};
  case P_not: return (Interval){1 - a.hi, 1 - a.lo};
  case P_select:
    if (a.lo == 1) return b;
    if (a.hi == 0) return c;
    return (Interval){min64(b.lo, c.lo), max64(b.hi, c.hi)};
  default: return everything;
  }
#pragma GCC diagnostic pop
}

static Interval of_leaf(const Expr *e, const int64_t *extent, int nvars) {
  switch (e->kind) {
  case E_INT:
  case E_BOOL: return (Interval){e->inum, e->inum};
  case E_VAR: return e->inum < nvars ? (Interval){0, max64(extent[e->inum] - 1, 0)} : everything;
  case E_LOOPVAR: return (Interval){0, max64(e->loop->count - 1, 0)};
  case E_READ:
    if (e->type == TY_BOOL) return (Interval){0, 1};
    return e->type == TY_INT ? (Interval){e->node->lo, e->node->hi} : everything;
  case E_NUM:
  case E_PRIM: break;
  }
  return everything;
}

bool ex_interval(Graph *g, const Expr *e, const int64_t *extent, int nvars, int64_t *lo,
                 int64_t *hi) {
  ExprWalk *w = walk_take(g, (Expr *)e);
  Interval *at = walk_values(g, w, sizeof *at);
  for (int i = 0; i < w->n; i++) {
    const Expr *x = w->order[i];
    Interval arg[3] = {{0, 0}, {0, 0}, {0, 0}};
    if (x->kind == E_PRIM) {
      for (int k = 0; k < x->nargs; k++) arg[k] = at[walk_slot(w, x->args[k])];
      at[i] = x->type == TY_REAL ? everything : of_prim(x, arg[0], arg[1], arg[2]);
    } else {
      at[i] = of_leaf(x, extent, nvars);
    }
  }
  Interval r = at[w->n - 1];
  walk_give(g, w);
  *lo = r.lo;
  *hi = r.hi;
  return !unbounded(r.lo) && !unbounded(r.hi);
}

bool ex_in_range(Graph *g, const Expr *e, const int64_t *extent, int nvars, int64_t limit) {
  int64_t lo, hi;
  return ex_interval(g, e, extent, nvars, &lo, &hi) && lo >= 0 && hi < limit;
}

typedef struct Reads {
  Graph *g;
  const int64_t *extent;
  int nvars;
  bool proved;
} Reads;

static void prove_read(Expr *e, void *ctx) {
  Reads *r = ctx;
  for (int d = 0; d < e->nargs && e->kind == E_READ; d++)
    r->proved = r->proved && ex_in_range(r->g, e->args[d], r->extent, r->nvars, e->node->shape[d]);
}

bool ex_reads_in_range(Graph *g, Expr *e, const int64_t *extent, int nvars) {
  Reads r = {g, extent, nvars, true};
  if (e) ex_visit(g, e, prove_read, &r);
  return r.proved;
}
