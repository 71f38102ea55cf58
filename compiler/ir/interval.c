/* SPDX-License-Identifier: MIT */
/* Intervals of integer expressions, from the extents of variables, the counts
 * of loops and the bounds of integer nodes. INT64_MIN and INT64_MAX stand for
 * "unbounded". Bools are 0 .. 1, so a comparison that cannot fail is 1 .. 1.
 *
 * What may leave 64 bits wraps around when it is computed, and is then anything
 * at all: not only large. min(j * j * j, 3) is no more bounded below than
 * j * j * j is. So a proof never rests on arithmetic that could wrap. */
#include "compiler/ir/ir.h"
#include "compiler/ir/walk.h"

typedef struct Interval {
  int64_t lo, hi;
} Interval;

static const Interval everything = {INT64_MIN, INT64_MAX};

static bool unbounded(int64_t x) { return x == INT64_MIN || x == INT64_MAX; }

static bool bounded(Interval a) { return !unbounded(a.lo) && !unbounded(a.hi); }

static int64_t min64(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max64(int64_t a, int64_t b) { return a > b ? a : b; }

static Interval hull(Interval a, Interval b) {
  return (Interval){min64(a.lo, b.lo), max64(a.hi, b.hi)};
}

static Interval add(Interval a, Interval b) {
  Interval sum;
  if (!bounded(a) || !bounded(b) || __builtin_add_overflow(a.lo, b.lo, &sum.lo) ||
      __builtin_add_overflow(a.hi, b.hi, &sum.hi))
    return everything;
  return sum;
}

static int64_t negate64(int64_t x) {
  return x == INT64_MIN ? INT64_MAX : x == INT64_MAX ? INT64_MIN : -x;
}

static Interval negate(Interval a) {
  return a.lo == INT64_MIN ? everything : (Interval){negate64(a.hi), negate64(a.lo)};
}

static Interval subtract(Interval a, Interval b) { return add(a, negate(b)); }

static Interval mul(Interval a, Interval b) {
  int64_t p, q, r, s;
  if (!bounded(a) || !bounded(b) || __builtin_mul_overflow(a.lo, b.lo, &p) ||
      __builtin_mul_overflow(a.lo, b.hi, &q) || __builtin_mul_overflow(a.hi, b.lo, &r) ||
      __builtin_mul_overflow(a.hi, b.hi, &s))
    return everything;
  return (Interval){min64(min64(p, q), min64(r, s)), max64(max64(p, q), max64(r, s))};
}

static int64_t quotient(int64_t a, int64_t b) { return unbounded(a) ? a : floor_div(a, b); }

/* by b.lo >= 1 */
static Interval divide_positive(Interval a, Interval b) {
  Interval r;
  r.lo = min64(quotient(a.lo, b.lo), quotient(a.lo, b.hi));
  r.hi = max64(quotient(a.hi, b.lo), quotient(a.hi, b.hi));
  return r;
}

/* by b.lo >= 1 */
static Interval modulo_positive(Interval a, Interval b) {
  if (b.lo == b.hi && !unbounded(a.lo) && !unbounded(a.hi) &&
      quotient(a.lo, b.lo) == quotient(a.hi, b.lo)) {
    int64_t shift = quotient(a.lo, b.lo) * b.lo;
    return (Interval){a.lo - shift, a.hi - shift};
  }
  return (Interval){0, a.lo >= 0 ? min64(b.hi - 1, a.hi) : b.hi - 1};
}

/* By the positive divisors, by 0, which gives 0 where a guard drops it, and by the
 * negative ones: floor(a / b) = floor(-a / -b), a mod b = -(-a mod -b). */
static Interval divide(Interval a, Interval b, bool remainder) {
  Interval (*by)(Interval, Interval) = remainder ? modulo_positive : divide_positive;
  bool any = false;
  Interval r = {0, 0};
  if (b.hi > 0) {
    r = by(a, (Interval){max64(b.lo, 1), b.hi});
    any = true;
  }
  if (b.lo < 0) {
    if (b.lo == INT64_MIN || a.lo == INT64_MIN) return everything;
    Interval x = by(negate(a), negate((Interval){b.lo, min64(b.hi, -1)}));
    if (remainder) x = negate(x);
    r = any ? hull(r, x) : x;
    any = true;
  }
  bool zero = b.lo <= 0 && b.hi >= 0;
  return zero && any ? hull(r, (Interval){0, 0}) : r;
}

static Interval absolute(Interval a) {
  if (a.lo >= 0) return a;
  if (a.lo == INT64_MIN) return everything;
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
  bool whole = e->nargs > 0 && e->args[0]->type != TY_REAL;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wswitch-enum"
  switch (e->prim) {
  case P_add: return add(a, b);
  case P_sub: return subtract(a, b);
  case P_mul: return mul(a, b);
  case P_div: return divide(a, b, false);
  case P_mod: return divide(a, b, true);
  case P_neg: return negate(a);
  case P_abs: return absolute(a);
  case P_min: return (Interval){min64(a.lo, b.lo), min64(a.hi, b.hi)};
  case P_max: return (Interval){max64(a.lo, b.lo), max64(a.hi, b.hi)};
  case P_lt:
  case P_le: return whole ? less(a, b, e->prim == P_le) : (Interval){0, 1};
  case P_eq:
  case P_ne: return whole ? equal(a, b, e->prim == P_eq) : (Interval){0, 1};
  case P_and: return (Interval){min64(a.lo, b.lo), min64(a.hi, b.hi)};
  case P_or: return (Interval){max64(a.lo, b.lo), max64(a.hi, b.hi)};
  case P_not: return (Interval){1 - a.hi, 1 - a.lo};
  case P_select:
    if (a.lo == 1) return b;
    if (a.hi == 0) return c;
    return hull(b, c);
  case P_int: return (Interval){IR_INT_MIN, IR_INT_MAX};
  case P_pick: return (Interval){0, c.hi < 1 ? 0 : min64(c.hi - 1, IR_INT_MAX)};
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

/* What is known of x besides; of bounds that contradict each other nothing follows. */
static Interval known_besides(const Expr *x, Interval r, const ExBound *given, int n) {
  for (int k = 0; k < n; k++) {
    if (given[k].e != x) continue;
    Interval both = {max64(r.lo, given[k].lo), min64(r.hi, given[k].hi)};
    if (both.lo <= both.hi) r = both;
  }
  return r;
}

bool ex_interval_given(Graph *g, const Expr *e, const int64_t *extent, int nvars,
                       const ExBound *given, int ngiven, int64_t *lo, int64_t *hi) {
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
    at[i] = known_besides(x, at[i], given, ngiven);
  }
  Interval r = at[w->n - 1];
  walk_give(g, w);
  *lo = r.lo;
  *hi = r.hi;
  return bounded(r);
}

bool ex_interval(Graph *g, const Expr *e, const int64_t *extent, int nvars, int64_t *lo,
                 int64_t *hi) {
  return ex_interval_given(g, e, extent, nvars, NULL, 0, lo, hi);
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
