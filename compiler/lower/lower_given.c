/* SPDX-License-Identifier: MIT */
/* What the conditions around a place say about the integers in them, so that a bound passes
 * through what is not linear: where i < 8 holds, i / 2 lies below 4, and where i / 2 < 4 holds,
 * i lies below 8.
 *
 * A condition bounds its two sides, and a bound of an expression bounds what it is computed from:
 * sums, multiples, quotients by a constant, min, max, abs, remainders of what stays within one
 * period. Each step is one that intervals take the other way round, so a condition that intervals
 * know to hold says nothing new: what is proved here rests on a condition that stays in the
 * program, and a read under it is asked for only where it holds. */
#include "compiler/lower/given.h"

enum { ROUNDS = 2, DEPTH_MAX = 16, STEPS_MAX = 512 };

typedef struct Narrowing {
  Lowering *l;
  Given *given;
  int steps; /* taken so far, against conditions made to take long */
} Narrowing;

static ExBound bound_of(const Narrowing *n, const Expr *e) {
  ExBound b = {.e = e};
  interval_given(n->l, e, n->given, &b.lo, &b.hi);
  return b;
}

/* a + b, or the largest or smallest there is. */
static int64_t plus(int64_t a, int64_t b) {
  int64_t sum;
  return !__builtin_add_overflow(a, b, &sum) ? sum : a < 0 ? INT64_MIN : INT64_MAX;
}

static int64_t times(int64_t a, int64_t positive) {
  int64_t product;
  return !__builtin_mul_overflow(a, positive, &product) ? product : a < 0 ? INT64_MIN : INT64_MAX;
}

/* Is what e computes what is written? What may wrap around is not. */
static bool exact(Lowering *l, const Expr *e) {
  return interval_given(l, e, NULL, &(int64_t){0}, &(int64_t){0});
}

static void narrow(Narrowing *n, Expr *e, int64_t lo, int64_t hi, int depth);

/* c * x lies in lo .. hi. */
static void narrow_factor(Narrowing *n, Expr *x, int64_t c, int64_t lo, int64_t hi, int depth) {
  if (lo == INT64_MIN || hi == INT64_MAX || c == 0 || c == INT64_MIN) return;
  if (c < 0) {
    int64_t t = -lo;
    lo = -hi;
    hi = t;
    c = -c;
  }
  narrow(n, x, -floor_div(-lo, c), floor_div(hi, c), depth);
}

static void narrow_minimum(Narrowing *n, Expr *const *of, int64_t lo, int64_t hi, int depth) {
  for (int k = 0; k < 2; k++)
    narrow(n, of[k], lo, bound_of(n, of[1 - k]).lo > hi ? hi : INT64_MAX, depth);
}

static void narrow_maximum(Narrowing *n, Expr *const *of, int64_t lo, int64_t hi, int depth) {
  for (int k = 0; k < 2; k++)
    narrow(n, of[k], bound_of(n, of[1 - k]).hi < lo ? lo : INT64_MIN, hi, depth);
}

/* |x| lies in lo .. hi, hi < 2^63 - 1. */
static void narrow_magnitude(Narrowing *n, Expr *x, int64_t lo, int64_t hi, int depth) {
  ExBound b = bound_of(n, x);
  narrow(n, x, lo > 0 && b.lo > -lo ? lo : -hi, lo > 0 && b.hi < lo ? -lo : hi, depth);
}

/* x mod d lies in lo .. hi: as does x - d * q where there is one quotient q. */
static void narrow_dividend(Narrowing *n, Expr *x, int64_t d, int64_t lo, int64_t hi, int depth) {
  ExBound b = bound_of(n, x);
  if (b.lo == INT64_MIN || b.hi == INT64_MAX || floor_div(b.lo, d) != floor_div(b.hi, d)) return;
  int64_t shift = floor_div(b.lo, d) * d;
  narrow(n, x, plus(shift, lo), plus(shift, hi), depth);
}

/* The arguments of e, which lies in lo .. hi. */
static void narrow_arguments(Narrowing *n, Expr *e, int64_t lo, int64_t hi, int depth) {
  Expr *const *of = e->args;
  ExBound a = bound_of(n, of[0]), b = {0};
  if (e->nargs > 1) b = bound_of(n, of[1]);
  int64_t d = e->nargs > 1 && of[1]->kind == E_INT ? of[1]->inum : 0;
  bool whole = exact(n->l, e); /* then the arguments of sums are bounded too */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wswitch-enum"
  switch (e->prim) {
  case P_add:
    if (!whole) return;
    narrow(n, of[0], plus(lo, -b.hi), plus(hi, -b.lo), depth);
    narrow(n, of[1], plus(lo, -a.hi), plus(hi, -a.lo), depth);
    return;
  case P_sub:
    if (!whole) return;
    narrow(n, of[0], plus(lo, b.lo), plus(hi, b.hi), depth);
    narrow(n, of[1], plus(a.lo, -hi), plus(a.hi, -lo), depth);
    return;
  case P_neg:
    if (whole) narrow_factor(n, of[0], -1, lo, hi, depth);
    return;
  case P_mul:
    if (whole && of[0]->kind == E_INT) narrow_factor(n, of[1], of[0]->inum, lo, hi, depth);
    if (whole && of[1]->kind == E_INT) narrow_factor(n, of[0], of[1]->inum, lo, hi, depth);
    return;
  case P_div:
    if (d > 0) narrow(n, of[0], times(lo, d), plus(times(hi, d), d - 1), depth);
    return;
  case P_mod:
    if (d > 0) narrow_dividend(n, of[0], d, lo, hi, depth);
    return;
  case P_abs:
    if (whole) narrow_magnitude(n, of[0], lo, hi, depth);
    return;
  case P_min: narrow_minimum(n, of, lo, hi, depth); return;
  case P_max: narrow_maximum(n, of, lo, hi, depth); return;
  default: return;
  }
#pragma GCC diagnostic pop
}

/* e lies in lo .. hi; bounds that contradict what is known say nothing. */
static void narrow(Narrowing *n, Expr *e, int64_t lo, int64_t hi, int depth) {
  Given *g = n->given;
  if (e->type != TY_INT || e->kind == E_INT || depth == 0 || ++n->steps > STEPS_MAX) return;
  ExBound was = bound_of(n, e), now = {e, lo > was.lo ? lo : was.lo, hi < was.hi ? hi : was.hi};
  if (now.lo > now.hi || (now.lo == was.lo && now.hi == was.hi)) return;
  int at = 0;
  while (at < g->n && g->at[at].e != e) at++;
  if (at == GIVEN_MAX) return;
  g->at[at] = now;
  if (at == g->n) g->n++;
  if (e->kind == E_PRIM) narrow_arguments(n, e, now.lo, now.hi, depth - 1);
}

/* a < b, or a <= b: more is 1 or 0. */
static void ordered(Narrowing *n, Expr *a, Expr *b, int more) {
  int64_t below = bound_of(n, b).hi;
  if (below != INT64_MAX) narrow(n, a, INT64_MIN, plus(below, -more), DEPTH_MAX);
  int64_t above = bound_of(n, a).lo;
  if (above != INT64_MIN) narrow(n, b, plus(above, more), INT64_MAX, DEPTH_MAX);
}

void given_here(Lowering *l, Given *out) {
  Narrowing n = {.l = l, .given = out};
  out->n = 0;
  for (int round = 0; round < ROUNDS; round++)
    for (int i = 0; i < l->facts.n; i++) {
      const Expr *f = l->facts.at[i];
      if (f->kind != E_PRIM || f->nargs != 2 || f->args[0]->type != TY_INT) continue;
      if (f->prim == P_lt) ordered(&n, f->args[0], f->args[1], 1);
      if (f->prim == P_le || f->prim == P_eq) ordered(&n, f->args[0], f->args[1], 0);
      if (f->prim == P_eq) ordered(&n, f->args[1], f->args[0], 0);
    }
}

bool interval_given(Lowering *l, const Expr *e, const Given *given, int64_t *lo, int64_t *hi) {
  return ex_interval_given(l->g, e, l->var_extent.at, l->var_extent.n, given ? given->at : NULL,
                           given ? given->n : 0, lo, hi);
}
