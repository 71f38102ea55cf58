/* SPDX-License-Identifier: MIT */
/* Integer sums in canonical form: c + sum coef * atom. Index arithmetic meets
 * here, so that i + k - k is i, (4*i + 2*j) / 2 is 2*i + j, and i + 1 < n + 1 is
 * i < n, whatever the order in which it was written. Integers are taken not to
 * overflow; where constants would, the expression stays as it was. */
#include "compiler/ir/ir.h"
#include "compiler/ir/linear.h"

enum { DEPTH_MAX = 64 };

void linear_init(Linear *s) {
  s->constant = 0;
  s->n = 0;
}

/* Order among terms: variables, loop counters, the rest as they appear. */
static int64_t rank_of(const Expr *atom) {
  if (atom->kind == E_VAR) return atom->inum;
  if (atom->kind == E_LOOPVAR) return ((int64_t)1 << 32) + atom->loop->id;
  return INT64_MAX;
}

static bool add_term(Linear *s, Expr *atom, int64_t coef) {
  int at = 0;
  int64_t rank = rank_of(atom);
  for (at = 0; at < s->n; at++) {
    if (s->term[at].atom == atom) {
      if (__builtin_add_overflow(s->term[at].coef, coef, &coef) || coef == INT64_MIN) return false;
      if (coef != 0) {
        s->term[at].coef = coef;
      } else {
        s->n--;
        for (int k = at; k < s->n; k++) s->term[k] = s->term[k + 1];
      }
      return true;
    }
    if (rank_of(s->term[at].atom) > rank) break;
  }
  if (s->n == LINEAR_MAX || coef == INT64_MIN) return false;
  for (int k = s->n; k > at; k--) s->term[k] = s->term[k - 1];
  s->term[at] = (LinearTerm){coef, atom};
  s->n++;
  return true;
}

static bool add_scaled(Linear *s, Expr *e, int64_t coef, int depth) {
  if (coef == 0) return true;
  if (e->kind == E_INT) {
    int64_t x;
    return !__builtin_mul_overflow(e->inum, coef, &x) &&
           !__builtin_add_overflow(s->constant, x, &s->constant) && s->constant != INT64_MIN;
  }
  if (e->kind == E_PRIM && depth < DEPTH_MAX) {
    int64_t c;
    if (e->prim == P_add || e->prim == P_sub) {
      return add_scaled(s, e->args[0], coef, depth + 1) &&
             add_scaled(s, e->args[1], e->prim == P_add ? coef : -coef, depth + 1);
    } else if (e->prim == P_neg) {
      return add_scaled(s, e->args[0], -coef, depth + 1);
    } else if (e->prim == P_mul && e->args[0]->kind == E_INT) {
      return !__builtin_mul_overflow(e->args[0]->inum, coef, &c) && c != INT64_MIN &&
             add_scaled(s, e->args[1], c, depth + 1);
    } else if (e->prim == P_mul && e->args[1]->kind == E_INT) {
      return !__builtin_mul_overflow(e->args[1]->inum, coef, &c) && c != INT64_MIN &&
             add_scaled(s, e->args[0], c, depth + 1);
    }
  }
  return add_term(s, e, coef);
}

bool linear_add(Linear *s, Expr *e, int64_t coef) {
  return coef != INT64_MIN && add_scaled(s, e, coef, 0);
}

static Expr *raw2(Graph *g, Prim p, Expr *a, Expr *b) {
  Expr *args[2] = {a, b};
  return expr_prim_raw(g, p, TY_INT, args);
}

static Expr *scaled(Graph *g, int64_t coef, Expr *atom) {
  return coef == 1 ? atom : raw2(g, P_mul, ex_int(g, coef), atom);
}

/* Positive terms, then negative ones subtracted, then the constant; with no
 * positive term a positive constant leads: 5 - i. */
Expr *linear_build(Graph *g, const Linear *s) {
  Expr *sum = NULL;
  int64_t constant = s->constant;
  for (int i = 0; i < s->n; i++) {
    if (s->term[i].coef < 0) continue;
    Expr *t = scaled(g, s->term[i].coef, s->term[i].atom);
    sum = sum ? raw2(g, P_add, sum, t) : t;
  }
  if (!sum && (constant > 0 || s->n == 0)) {
    sum = ex_int(g, constant);
    constant = 0;
  }
  for (int i = 0; i < s->n; i++) {
    if (s->term[i].coef > 0) continue;
    Expr *atom = s->term[i].atom;
    if (sum)
      sum = raw2(g, P_sub, sum, scaled(g, -s->term[i].coef, atom));
    else if (s->term[i].coef == -1)
      sum = expr_prim_raw(g, P_neg, TY_INT, &atom);
    else
      sum = raw2(g, P_mul, ex_int(g, s->term[i].coef), atom);
  }
  if (constant > 0) sum = raw2(g, P_add, sum, ex_int(g, constant));
  if (constant < 0) sum = raw2(g, P_sub, sum, ex_int(g, -constant));
  return sum;
}

/* (d*S + R) / d = S + R / d  and  (d*S + R) mod d = R mod d, for d > 0. */
static Expr *fold_divide(Graph *g, Prim p, Expr *a, int64_t d) {
  Linear s, quotient, rest;
  linear_init(&s);
  linear_init(&quotient);
  linear_init(&rest);
  if (!linear_add(&s, a, 1)) return NULL;
  for (int i = 0; i < s.n; i++) {
    bool whole = s.term[i].coef % d == 0;
    Linear *to = whole ? &quotient : &rest;
    to->term[to->n++] = (LinearTerm){whole ? s.term[i].coef / d : s.term[i].coef, s.term[i].atom};
  }
  quotient.constant = floor_div(s.constant, d);
  rest.constant = s.constant - quotient.constant * d;
  if (rest.n == 0) {
    if (p == P_mod) return ex_int(g, rest.constant);
    return linear_build(g, &quotient); /* 0 <= rest.constant < d */
  }
  Expr *part = raw2(g, p, linear_build(g, &rest), ex_int(g, d));
  if (p == P_mod) return part;
  return linear_add(&quotient, part, 1) ? linear_build(g, &quotient) : NULL;
}

static int64_t gcd(int64_t a, int64_t b) {
  while (b) {
    int64_t t = a % b;
    a = b;
    b = t;
  }
  return a < 0 ? -a : a;
}

static Expr *compare_raw(Graph *g, Prim p, Expr *a, Expr *b) {
  Expr *args[2] = {a, b};
  return expr_prim_raw(g, p, TY_BOOL, args);
}

/* s is the difference of both sides; split it so that no sign is left. */
static void split(const Linear *s, Linear *left, Linear *right) {
  linear_init(left);
  linear_init(right);
  for (int i = 0; i < s->n; i++) {
    Linear *to = s->term[i].coef > 0 ? left : right;
    int64_t coef = s->term[i].coef;
    to->term[to->n++] = (LinearTerm){coef > 0 ? coef : -coef, s->term[i].atom};
  }
}

/* P - N + c < 0 */
static Expr *build_less(Graph *g, Linear *s) {
  if (s->n == 0) return ex_bool(g, s->constant < 0);
  int64_t d = 0;
  for (int i = 0; i < s->n; i++) d = gcd(d, s->term[i].coef);
  for (int i = 0; i < s->n; i++) s->term[i].coef /= d;
  int64_t c = floor_div(s->constant, d);
  Linear left, right;
  split(s, &left, &right);
  Prim p = P_lt;
  if (left.n == 0) { /* c < N: as a lower bound, c + 1 <= N */
    left.constant = c + 1;
    p = P_le;
  } else if (right.n == 0) { /* P < -c */
    right.constant = -c;
  } else if (c == -1) {
    p = P_le;
  } else if (c > 0) {
    left.constant = c;
  } else {
    right.constant = -c;
  }
  return compare_raw(g, p, linear_build(g, &left), linear_build(g, &right));
}

/* P - N + c == 0 (or !=) */
static Expr *build_equal(Graph *g, Prim p, Linear *s) {
  if (s->n == 0) return ex_bool(g, (s->constant == 0) == (p == P_eq));
  int64_t d = 0;
  for (int i = 0; i < s->n; i++) d = gcd(d, s->term[i].coef);
  if (s->constant % d != 0) return ex_bool(g, p == P_ne);
  if (s->term[0].coef < 0) d = -d; /* the first term stands on the left */
  for (int i = 0; i < s->n; i++) s->term[i].coef /= d;
  int64_t c = s->constant / d;
  Linear left, right;
  split(s, &left, &right);
  if (c > 0 && right.n > 0)
    left.constant = c;
  else
    right.constant = -c;
  return compare_raw(g, p, linear_build(g, &left), linear_build(g, &right));
}

Expr *linear_fold(Graph *g, Prim p, Expr *const *args) {
  Linear s;
  linear_init(&s);
  Expr *a = args[0], *b = args[1];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wswitch-enum"
  switch (p) {
  case P_add: return linear_add(&s, a, 1) && linear_add(&s, b, 1) ? linear_build(g, &s) : NULL;
  case P_sub: return linear_add(&s, a, 1) && linear_add(&s, b, -1) ? linear_build(g, &s) : NULL;
  case P_neg: return linear_add(&s, a, -1) ? linear_build(g, &s) : NULL;
  case P_mul:
    if (b->kind == E_INT) {
      Expr *t = a;
      a = b;
      b = t;
    }
    if (a->kind != E_INT) return NULL;
    return linear_add(&s, b, a->inum) ? linear_build(g, &s) : NULL;
  case P_div:
  case P_mod: return b->kind == E_INT && b->inum > 0 ? fold_divide(g, p, a, b->inum) : NULL;
  case P_lt:
  case P_le:
    if (!linear_add(&s, a, 1) || !linear_add(&s, b, -1)) return NULL;
    if (p == P_le && __builtin_sub_overflow(s.constant, 1, &s.constant)) return NULL;
    if (s.constant <= INT64_MIN + 1 || s.constant == INT64_MAX) return NULL;
    return build_less(g, &s);
  case P_eq:
  case P_ne: return linear_add(&s, a, 1) && linear_add(&s, b, -1) ? build_equal(g, p, &s) : NULL;
  default: return NULL;
  }
#pragma GCC diagnostic pop
}

bool ex_affine(Graph *g, Expr *e, Affine *out) {
  Linear s, rest;
  linear_init(&s);
  linear_init(&rest);
  if (e->type != TY_INT || !linear_add(&s, e, 1)) return false;
  for (int k = 0; k < IR_MAX_VARS; k++) out->coef[k] = 0;
  for (int i = 0; i < s.n; i++) {
    Expr *atom = s.term[i].atom;
    if (atom->kind == E_VAR && atom->inum >= IR_MAX_VARS) return false;
    if (atom->kind == E_VAR)
      out->coef[atom->inum] = s.term[i].coef;
    else if (atom->vars)
      return false;
    else
      rest.term[rest.n++] = s.term[i];
  }
  rest.constant = s.constant;
  out->rest = linear_build(g, &rest);
  return true;
}
