/* SPDX-License-Identifier: MIT */
/* Proofs about integer expressions: is a read in bounds, given the extents of
 * the variables and the conditions that hold where it stands? Linear
 * arithmetic over variables and opaque terms; a fact is an expression known to
 * be >= 0. A goal G >= 0 is proved when G, or G minus one or two facts, has a
 * nonnegative lower bound, with opaque terms as narrow as the facts leave them. Sums
 * that could wrap give no facts; a goal may, as one that is computed modulo 2^64 and
 * proved to lie in a small range is what it computes. */
#include "compiler/ir/linear.h"
#include "compiler/lower/given.h"
#include "compiler/lower/lower.h"

enum { MAX_FACTS = 64 };

static bool lower_bound(Lowering *l, const Linear *x, const Given *given, int64_t *out) {
  int64_t sum = x->constant;
  for (int k = 0; k < x->n; k++) {
    const LinearTerm *t = &x->term[k];
    int64_t lo, hi, c;
    if (!interval_given(l, t->atom, given, &lo, &hi)) return false;
    if (__builtin_mul_overflow(t->coef > 0 ? lo : hi, t->coef, &c)) return false;
    if (__builtin_add_overflow(sum, c, &sum)) return false;
  }
  *out = sum;
  return true;
}

/* out = a - b + more; false when it overflows or has too many terms. */
static bool difference(Linear *out, Expr *a, Expr *b, int64_t more) {
  linear_init(out);
  return linear_add(out, a, 1) && linear_add(out, b, -1) &&
         !__builtin_add_overflow(out->constant, more, &out->constant);
}

static bool subtract(Linear *x, const Linear *y) {
  for (int k = 0; k < y->n; k++)
    if (!linear_add(x, y->term[k].atom, -y->term[k].coef)) return false;
  return !__builtin_sub_overflow(x->constant, y->constant, &x->constant);
}

/* Is what e computes the sum that it is written as? Arithmetic that could wrap is not. */
static bool exact(Lowering *l, Expr *e) {
  int64_t lo, hi;
  return prove_interval(l, e, &lo, &hi);
}

/* The facts as sums >= 0. */
static int gather_facts(Lowering *l, Linear *out) {
  int n = 0;
  for (int i = 0; i < l->facts.n && n < MAX_FACTS; i++) {
    Expr *f = l->facts.at[i];
    if (f->kind != E_PRIM || f->nargs != 2 || f->args[0]->type != TY_INT) continue;
    bool equal = f->prim == P_eq, less = f->prim == P_lt;
    if (!equal && !less && f->prim != P_le) continue;
    if (!exact(l, f->args[0]) || !exact(l, f->args[1])) continue;
    if (difference(&out[n], f->args[1], f->args[0], less ? -1 : 0)) n++; /* a <= b: b - a >= 0 */
    if (equal && n < MAX_FACTS && difference(&out[n], f->args[0], f->args[1], 0)) n++;
  }
  return n;
}

/* The facts at a place, as they are asked for. */
typedef struct Facts {
  Linear sum[MAX_FACTS];
  int n;
  Given given; /* bounds that follow from them; none at first */
} Facts;

static bool follows(Lowering *l, const Linear *goal, const Facts *f) {
  int64_t lo;
  if (lower_bound(l, goal, &f->given, &lo) && lo >= 0) return true;
  for (int i = 0; i < f->n; i++) {
    Linear x = *goal;
    if (!subtract(&x, &f->sum[i])) continue;
    if (lower_bound(l, &x, &f->given, &lo) && lo >= 0) return true;
    for (int j = 0; j < i; j++) {
      Linear y = x;
      if (subtract(&y, &f->sum[j]) && lower_bound(l, &y, &f->given, &lo) && lo >= 0) return true;
    }
  }
  return false;
}

static bool prove_nonnegative(Lowering *l, const Linear *goal) {
  int64_t lo;
  if (lower_bound(l, goal, NULL, &lo) && lo >= 0) return true;
  if (l->facts.n == 0) return false;
  Facts *f = NEW(l->arena, Facts);
  f->n = gather_facts(l, f->sum);
  if (follows(l, goal, f)) return true;
  given_here(l, &f->given);
  return f->given.n > 0 && follows(l, goal, f);
}

bool prove_in_range(Lowering *l, Expr *e, int64_t extent) {
  Expr *zero = ex_int(l->g, 0);
  Linear below, above; /* e and extent - 1 - e */
  return difference(&below, e, zero, 0) && difference(&above, zero, e, extent - 1) &&
         prove_nonnegative(l, &below) && prove_nonnegative(l, &above);
}

bool prove_at_least(Lowering *l, Expr *e, int64_t least) {
  Linear x;
  return prove_interval(l, e, &(int64_t){0}, &(int64_t){0}) &&
         difference(&x, e, ex_int(l->g, least), 0) && prove_nonnegative(l, &x);
}

bool any_integer(int64_t lo, int64_t hi) { return lo <= IR_INT_MIN && hi >= IR_INT_MAX; }

bool prove_interval(Lowering *l, Expr *e, int64_t *lo, int64_t *hi) {
  return ex_interval(l->g, e, l->var_extent.at, l->var_extent.n, lo, hi);
}

bool interval_here(Lowering *l, Expr *e, int64_t *lo, int64_t *hi) {
  Given given;
  given_here(l, &given);
  return interval_given(l, e, &given, lo, hi);
}

/* a != b: with a >= b that is a > b, where b is a constant; the other end likewise. */
static void apart_push(Lowering *l, Expr *a, Expr *b) {
  int64_t lo, hi;
  if (a->type != TY_INT) return;
  if (a->kind == E_INT) {
    Expr *t = a;
    a = b;
    b = t;
  }
  if (b->kind != E_INT || !prove_interval(l, a, &lo, &hi)) return;
  if (lo == b->inum) vec_push(l->arena, &l->facts, ex2(l->g, P_lt, b, a));
  if (hi == b->inum) vec_push(l->arena, &l->facts, ex2(l->g, P_lt, a, b));
}

void fact_push(Lowering *l, Expr *c, bool holds) {
  if (c->kind == E_PRIM && c->prim == P_not) {
    fact_push(l, c->args[0], !holds);
    return;
  }
  if (c->kind == E_PRIM && c->prim == (holds ? P_and : P_or)) {
    fact_push(l, c->args[0], holds);
    fact_push(l, c->args[1], holds);
    return;
  }
  if (holds) vec_push(l->arena, &l->facts, c);
  if (holds && c->prim == P_ne && c->kind == E_PRIM) {
    apart_push(l, c->args[0], c->args[1]);
    return;
  }
  if (holds) return;
  if (c->kind != E_PRIM || c->nargs != 2 || c->args[0]->type != TY_INT) return;
  if (c->prim == P_lt)
    vec_push(l->arena, &l->facts, ex2(l->g, P_le, c->args[1], c->args[0]));
  else if (c->prim == P_le)
    vec_push(l->arena, &l->facts, ex2(l->g, P_lt, c->args[1], c->args[0]));
  else if (c->prim == P_ne)
    vec_push(l->arena, &l->facts, ex2(l->g, P_eq, c->args[0], c->args[1]));
  else if (c->prim == P_eq)
    fact_push(l, ex2(l->g, P_ne, c->args[0], c->args[1]), true);
}
