/* SPDX-License-Identifier: MIT */
/* Where derivatives may be infinite. At such a place an adjoint of zero would become
 * 0 * inf, a NaN, though nothing was to pass: a branch that another statement did not
 * take, a weight of zero. So through what is steep, zero passes nothing:
 *
 *     y = sqrt(x)      x receives (dy != 0, dy * (0.5 / y))
 *
 * The test costs a comparison and a select, so it is left out where signs show that a
 * divisor is positive (the epsilon of a norm) or an exponent bounded (a softmax). Stored
 * numbers are taken to be finite: `a * b` passes a zero on as it is. */
#include "compiler/grad/grad_internal.h"

enum { DEPTH = 12 }; /* of what is looked through, nodes included */

typedef enum Sign { ANY, NOT_NEGATIVE, POSITIVE } Sign;

static Sign sign(const Expr *e, int depth);

static Sign least(Sign a, Sign b) { return a < b ? a : b; }
static Sign greatest(Sign a, Sign b) { return a > b ? a : b; }

/* A positive product, quotient or exponential may still round to 0. */
static Sign rounded(Sign s) { return least(s, NOT_NEGATIVE); }

static Sign sign_of_node(const Node *n, int depth) {
  if (n->kind != N_COMP || n->type != TY_REAL) return ANY;
  Sign s = sign(n->body, depth);
  bool empty = n->guard != NULL;
  for (int k = n->rank; k < n->nvars; k++) empty = empty || n->extent[k] == 0;
  switch (n->reducer) {
  case RED_NONE: return n->guard ? rounded(s) : s;
  case RED_SUM: return empty ? rounded(s) : s;
  case RED_PROD: return rounded(s);
  case RED_MAX: return empty ? ANY : s; /* of nothing it is -inf */
  case RED_MIN: return s;
  case RED_ARGMAX: break;
  }
  return ANY;
}

static Sign sign_of_prim(const Expr *e, int depth) {
  Sign a = e->nargs > 0 && e->prim != P_select ? sign(e->args[0], depth) : ANY;
  switch ((int)e->prim) {
  case P_add:
    return a == ANY || sign(e->args[1], depth) == ANY ? ANY : greatest(a, sign(e->args[1], depth));
  case P_mul:
    if (e->args[0] == e->args[1]) return NOT_NEGATIVE;
    return a == ANY ? ANY : rounded(sign(e->args[1], depth));
  case P_div: return a != ANY && sign(e->args[1], depth) == POSITIVE ? NOT_NEGATIVE : ANY;
  case P_max: return greatest(a, sign(e->args[1], depth));
  case P_min: return least(a, sign(e->args[1], depth));
  case P_select: return least(sign(e->args[1], depth), sign(e->args[2], depth));
  case P_abs:
  case P_sqrt: return greatest(a, NOT_NEGATIVE);
  case P_pow: return rounded(a);
  case P_exp:
  case P_rsqrt:
  case P_sigmoid: return NOT_NEGATIVE;
  default: return ANY;
  }
}

static Sign sign(const Expr *e, int depth) {
  if (e->type != TY_REAL || depth == 0) return ANY;
  if (e->kind == E_NUM) return (float)e->num > 0 ? POSITIVE : e->num >= 0 ? NOT_NEGATIVE : ANY;
  if (e->kind == E_READ) return sign_of_node(e->node, depth - 1);
  return e->kind == E_PRIM ? sign_of_prim(e, depth - 1) : ANY;
}

static bool positive(const Expr *e) { return sign(e, DEPTH) == POSITIVE; }

/* ---- exponents ------------------------------------------------------------------- */

/* Finite whatever the argument is. */
static bool is_finite_everywhere(const Expr *e) {
  switch ((int)e->prim) {
  case P_tanh:
  case P_sigmoid:
  case P_erf:
  case P_atan:
  case P_sin:
  case P_cos: return true;
  default: return false;
  }
}

/* The maximum that softmax and logsumexp subtract from what they take exp of. */
static bool is_shift(const Expr *e) {
  if (ex_is_prim(e, P_select)) e = e->args[2];
  return e->kind == E_READ && e->node->kind == N_COMP && e->node->reducer == RED_MAX &&
         e->node->vjp && !e->node->vjp->cotangent;
}

/* ... among the terms: folding may have moved it. */
static bool is_shifted(const Expr *e) {
  if (ex_is_prim(e, P_add)) return is_shifted(e->args[0]) || is_shifted(e->args[1]);
  return ex_is_prim(e, P_sub) && (is_shift(e->args[1]) || is_shifted(e->args[0]));
}

/* Can exp of it not overflow? */
static bool is_bounded(const Expr *e) {
  if (e->kind == E_NUM) return true;
  if (e->kind != E_PRIM) return false;
  switch ((int)e->prim) {
  case P_neg: return sign(e->args[0], DEPTH) != ANY;
  case P_sub:
  case P_add: return is_shifted(e);
  case P_mul:
    return e->args[0]->kind == E_NUM && e->args[0]->num <= 0 && sign(e->args[1], DEPTH) != ANY;
  case P_min: return e->args[0]->kind == E_NUM || e->args[1]->kind == E_NUM;
  default: return is_finite_everywhere(e);
  }
}

/* ---- infinite values -------------------------------------------------------------- */

/* Can this primitive make infinity, or none, of ordinary numbers? */
static bool makes_infinity(const Expr *e) {
  switch ((int)e->prim) {
  case P_div: {
    const Expr *b = e->args[1];
    return e->type == TY_REAL && !(b->kind == E_NUM && b->num != 0) && !positive(b);
  }
  case P_log:
  case P_rsqrt: return !positive(e->args[0]);
  case P_log1p: return sign(e->args[0], DEPTH) == ANY;
  case P_pow: {
    const Expr *b = e->args[1];
    return !(b->kind == E_NUM && b->num >= 0) && !positive(e->args[0]);
  }
  case P_exp:
  case P_expm1: return !is_bounded(e->args[0]);
  default: return false;
  }
}

bool grad_may_be_infinite(GradPass *p, const Expr *e) {
  if (e->kind != E_PRIM || e->type != TY_REAL || is_finite_everywhere(e)) return false;
  if (e->prim == P_exp && is_bounded(e->args[0])) return false;
  if (p->nfinite < p->graph->nexprs) {
    int wanted = 2 * p->graph->nexprs;
    p->finite = arena_grow(p->arena, p->finite, (size_t)p->nfinite, (size_t)wanted);
    p->nfinite = wanted;
  }
  if (p->finite[e->id]) return p->finite[e->id] == 2;
  bool found = makes_infinity(e);
  for (int k = 0; k < e->nargs && !found; k++) found = grad_may_be_infinite(p, e->args[k]);
  p->finite[e->id] = found ? 2 : 1;
  return found;
}

/* The derivative d of `e`: what its rule says of the arguments and of the value y. */
bool grad_is_steep(GradPass *p, const Expr *d, const Expr *e, const Expr *y) {
  if (d == y) return grad_may_be_infinite(p, e);
  for (int k = 0; k < e->nargs; k++)
    if (d == e->args[k]) return grad_may_be_infinite(p, d);
  if (d->kind != E_PRIM || d->type != TY_REAL) return false;
  if (makes_infinity(d)) return true;
  for (int k = 0; k < d->nargs; k++)
    if (grad_is_steep(p, d->args[k], e, y)) return true;
  return false;
}
