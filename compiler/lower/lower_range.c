/* SPDX-License-Identifier: MIT */
/* Proofs about integer expressions: is a read in bounds, given the extents of
 * the variables and the conditions that hold where it stands? Linear
 * arithmetic over variables and opaque terms; a fact is an expression known to
 * be >= 0. A goal G >= 0 is proved when G, or G minus one or two facts, has a
 * nonnegative lower bound. */
#include <string.h>

#include "compiler/lower/lower.h"

enum { MAX_TERMS = 24, MAX_FACTS = 64 };

typedef struct Linear {
  int n;
  Expr *term[MAX_TERMS];
  int64_t coef[MAX_TERMS];
  int64_t constant;
  bool ok;
} Linear;

static void add_term(Linear *x, Expr *e, int64_t c) {
  for (int k = 0; k < x->n; k++)
    if (x->term[k] == e) {
      if (!add_fits(x->coef[k], c, &x->coef[k])) x->ok = false;
      return;
    }
  if (x->n == MAX_TERMS) {
    x->ok = false;
    return;
  }
  x->term[x->n] = e;
  x->coef[x->n++] = c;
}

static bool times(int64_t a, int64_t b, int64_t *out) { return !__builtin_mul_overflow(a, b, out); }

/* x += scale * e */
static void linear_add(Linear *x, Expr *e, int64_t scale, int depth) {
  int64_t c;
  if (depth > 40) {
    add_term(x, e, scale);
    return;
  }
  if (e->kind == E_INT) {
    if (!times(e->inum, scale, &c) || __builtin_add_overflow(x->constant, c, &x->constant))
      x->ok = false;
  } else if (e->kind == E_PRIM && e->prim == P_add) {
    linear_add(x, e->args[0], scale, depth + 1);
    linear_add(x, e->args[1], scale, depth + 1);
  } else if (e->kind == E_PRIM && e->prim == P_sub) {
    linear_add(x, e->args[0], scale, depth + 1);
    linear_add(x, e->args[1], -scale, depth + 1);
  } else if (e->kind == E_PRIM && e->prim == P_neg) {
    linear_add(x, e->args[0], -scale, depth + 1);
  } else if (e->kind == E_PRIM && e->prim == P_mul && e->args[0]->kind == E_INT) {
    if (!times(e->args[0]->inum, scale, &c))
      x->ok = false;
    else
      linear_add(x, e->args[1], c, depth + 1);
  } else if (e->kind == E_PRIM && e->prim == P_mul && e->args[1]->kind == E_INT) {
    if (!times(e->args[1]->inum, scale, &c))
      x->ok = false;
    else
      linear_add(x, e->args[0], c, depth + 1);
  } else {
    add_term(x, e, scale);
  }
}

static bool lower_bound(Low *l, const Linear *x, int64_t *out) {
  if (!x->ok) return false;
  int64_t sum = x->constant;
  for (int k = 0; k < x->n; k++) {
    int64_t lo, hi, c;
    if (x->coef[k] == 0) continue;
    if (!ex_interval(l->g, x->term[k], l->var_extent.at, l->var_extent.n, &lo, &hi)) return false;
    if (!times(x->coef[k] > 0 ? lo : hi, x->coef[k], &c)) return false;
    if (__builtin_add_overflow(sum, c, &sum)) return false;
  }
  *out = sum;
  return true;
}

static void linear_sub(Linear *x, const Linear *y) {
  for (int k = 0; k < y->n; k++) add_term(x, y->term[k], -y->coef[k]);
  if (!y->ok || __builtin_sub_overflow(x->constant, y->constant, &x->constant)) x->ok = false;
}

/* The facts as linear expressions >= 0. */
static int gather_facts(Low *l, Linear *out) {
  int n = 0;
  for (int i = 0; i < l->facts.n && n < MAX_FACTS; i++) {
    Expr *f = l->facts.at[i];
    if (f->kind != E_PRIM || f->nargs != 2 || f->args[0]->type != TY_INT) continue;
    Linear x = {.ok = true};
    if (f->prim == P_lt || f->prim == P_le || f->prim == P_eq) { /* a <= b: b - a >= 0 */
      linear_add(&x, f->args[1], 1, 0);
      linear_add(&x, f->args[0], -1, 0);
      if (f->prim == P_lt) x.constant -= 1;
      out[n++] = x;
    }
    if (f->prim == P_eq && n < MAX_FACTS) {
      Linear y = {.ok = true};
      linear_add(&y, f->args[0], 1, 0);
      linear_add(&y, f->args[1], -1, 0);
      out[n++] = y;
    }
  }
  return n;
}

static bool prove_nonnegative(Low *l, const Linear *goal) {
  int64_t lo;
  if (lower_bound(l, goal, &lo) && lo >= 0) return true;
  Linear *facts = NEWN(l->arena, Linear, MAX_FACTS);
  int n = gather_facts(l, facts);
  for (int i = 0; i < n; i++) {
    Linear x = *goal;
    linear_sub(&x, &facts[i]);
    if (lower_bound(l, &x, &lo) && lo >= 0) return true;
    for (int j = 0; j < i; j++) {
      Linear y = x;
      linear_sub(&y, &facts[j]);
      if (lower_bound(l, &y, &lo) && lo >= 0) return true;
    }
  }
  return false;
}

bool prove_in_range(Low *l, Expr *e, int64_t extent) {
  Linear low = {.ok = true}, high = {.ok = true};
  linear_add(&low, e, 1, 0);
  linear_add(&high, e, -1, 0);
  if (!add_fits(high.constant, extent - 1, &high.constant) &&
      __builtin_add_overflow(high.constant, extent - 1, &high.constant))
    return false;
  return prove_nonnegative(l, &low) && prove_nonnegative(l, &high);
}

bool prove_interval(Low *l, Expr *e, int64_t *lo, int64_t *hi) {
  return ex_interval(l->g, e, l->var_extent.at, l->var_extent.n, lo, hi);
}

void fact_push(Low *l, Expr *c, bool holds) {
  if (c->kind == E_PRIM && c->prim == P_not) {
    fact_push(l, c->args[0], !holds);
    return;
  }
  if (c->kind == E_PRIM && c->prim == (holds ? P_and : P_or)) {
    fact_push(l, c->args[0], holds);
    fact_push(l, c->args[1], holds);
    return;
  }
  if (holds) {
    vec_push(l->arena, &l->facts, c);
    return;
  }
  if (c->kind != E_PRIM || c->nargs != 2 || c->args[0]->type != TY_INT) return;
  if (c->prim == P_lt)
    vec_push(l->arena, &l->facts, ex2(l->g, P_le, c->args[1], c->args[0]));
  else if (c->prim == P_le)
    vec_push(l->arena, &l->facts, ex2(l->g, P_lt, c->args[1], c->args[0]));
  else if (c->prim == P_ne)
    vec_push(l->arena, &l->facts, ex2(l->g, P_eq, c->args[0], c->args[1]));
  else if (c->prim == P_eq) { /* x != 0 with x >= 0 gives x >= 1; the other end likewise */
    Expr *a = c->args[0], *b = c->args[1];
    int64_t lo, hi;
    if (a->kind == E_INT) {
      Expr *t = a;
      a = b;
      b = t;
    }
    if (b->kind != E_INT || !prove_interval(l, a, &lo, &hi)) return;
    if (lo == b->inum) vec_push(l->arena, &l->facts, ex2(l->g, P_lt, b, a));
    if (hi == b->inum) vec_push(l->arena, &l->facts, ex2(l->g, P_lt, a, b));
  }
}
