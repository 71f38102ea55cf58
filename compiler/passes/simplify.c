/* SPDX-License-Identifier: MIT */
/* Folds expressions by what intervals prove, with the algebra behind each rule:
 *
 *   extent 1          a variable or counter that is always 0 is 0
 *   comparisons       i < 8 with i in 0 .. 7 is true
 *   constants         an integer whose interval is one number is that number
 *   mod, min, max     i mod 8 with i in 0 .. 7 is i;  max(i, 0) is i
 *   never             a guard that is false leaves an empty reduction
 *   guards            under a guard p, p is true in the body
 *   diagonals         sum over k of (k == e ? x[k] : 0)  is  0 <= e < K ? x[e] : 0
 *
 * needs       a verified graph
 * guarantees  the same values (the order of a sum may lose terms that are 0)
 * keeps       nodes and their shapes; a sum may lose a reduced variable; conditions that
 *             nothing but trust in them proves a read without
 * breaks      nothing
 *
 *     y[i:4] = sum[k:8](k == i ? x[k] * w[k] : 0.0)    ->    y[i:4] = x[i] * w[i]    */
#include "compiler/ir/linear.h"
#include "compiler/ir/verify.h"
#include "compiler/passes/pipeline.h"

/* ---- intervals --------------------------------------------------------------------- */

static Expr *fold_int(Graph *g, Node *n, Expr *e) {
  int64_t lo, hi, alo, ahi, blo, bhi;
  if (ex_interval(g, e, n->extent, n->nvars, &lo, &hi) && lo == hi) return ex_int(g, lo);
  if (e->kind != E_PRIM || e->nargs < 1 || e->args[0]->type != TY_INT) return e;
  bool known = ex_interval(g, e->args[0], n->extent, n->nvars, &alo, &ahi);
  if (e->prim == P_abs && alo >= 0) return e->args[0];
  if (e->prim == P_mod && known && e->args[1]->kind == E_INT && e->args[1]->inum > 0) {
    int64_t d = e->args[1]->inum, q = floor_div(alo, d);
    if (q == floor_div(ahi, d)) return ex2(g, P_sub, e->args[0], ex_int(g, q * d));
  }
  if (e->prim == P_min || e->prim == P_max) {
    ex_interval(g, e->args[1], n->extent, n->nvars, &blo, &bhi);
    if (ahi != INT64_MAX && ahi <= blo) return e->args[e->prim == P_max];
    if (bhi != INT64_MAX && bhi <= alo) return e->args[e->prim == P_min];
  }
  return e;
}

static Expr *fold_bool(Graph *g, Node *n, Expr *e) {
  int64_t lo, hi;
  if (e->kind != E_PRIM || prim_info(e->prim)->sig != SIG_CMP || e->args[0]->type != TY_INT)
    return e;
  ex_interval(g, e, n->extent, n->nvars, &lo, &hi);
  return lo == hi ? ex_bool(g, lo != 0) : e;
}

static Expr *fold_one(Graph *g, Expr *e, void *ctx) {
  Node *n = ctx;
  if (e->type == TY_INT && e->kind != E_INT) return fold_int(g, n, e);
  if (e->type == TY_BOOL && e->kind != E_BOOL) return fold_bool(g, n, e);
  return e;
}

/* ---- guards ------------------------------------------------------------------------- */

enum { TERMS_MAX = 16 };
typedef struct Terms {
  Expr *at[TERMS_MAX];
  int n;
} Terms;

/* The terms of a conjunction, in order; false when they do not fit. */
static bool conjunction(Expr *e, Terms *t, int depth) {
  if (e->kind == E_PRIM && e->prim == P_and && depth < 2 * TERMS_MAX)
    return conjunction(e->args[0], t, depth + 1) && conjunction(e->args[1], t, depth + 1);
  if (t->n == TERMS_MAX) return false;
  t->at[t->n++] = e;
  return true;
}

typedef struct Known {
  Expr *yes[TERMS_MAX], *no[TERMS_MAX];
  int n;
} Known;

static Expr *replace_known(Graph *g, Expr *e, void *ctx) {
  const Known *k = ctx;
  if (e->type != TY_BOOL || e->kind == E_BOOL) return e;
  for (int i = 0; i < k->n; i++) {
    if (e == k->yes[i]) return ex_bool(g, true);
    if (e == k->no[i]) return ex_bool(g, false);
  }
  return e;
}

static Expr *under_guard(Graph *g, Expr *guard, Expr *e) {
  Terms t = {.n = 0};
  Known k = {.n = 0};
  conjunction(guard, &t, 0);
  for (int i = 0; i < t.n; i++) {
    if (t.at[i]->kind == E_BOOL) continue;
    k.yes[k.n] = t.at[i];
    k.no[k.n++] = ex1(g, P_not, t.at[i]);
  }
  return ex_map(g, e, replace_known, &k);
}

/* ---- diagonals ------------------------------------------------------------------------ */

/* Solves an equation for variable k: k = the result, or NULL. */
static Expr *solve(Graph *g, Expr *e, int k) {
  Linear s, rest;
  if (e->kind != E_PRIM || e->prim != P_eq || e->args[0]->type != TY_INT || !(e->vars >> k & 1))
    return NULL;
  linear_init(&s);
  linear_init(&rest);
  if (!linear_add(&s, e->args[0], 1) || !linear_add(&s, e->args[1], -1)) return NULL;
  int64_t own = 0;
  for (int i = 0; i < s.n; i++) {
    Expr *atom = s.term[i].atom;
    if (atom->kind == E_VAR && atom->inum == k)
      own = s.term[i].coef;
    else if (atom->vars >> k & 1)
      return NULL;
    else
      rest.term[rest.n++] = s.term[i];
  }
  rest.constant = s.constant;
  if (own != 1 && own != -1) return NULL;
  Expr *value = linear_build(g, &rest);
  return own == 1 ? ex1(g, P_neg, value) : value;
}

/* What guards the sum once term `solved` fixed variable k: first the terms
 * before it that have nothing to do with k (they may guard reads in `value`), then
 * the bounds, then the others (they may read at k). NULL: no order is safe. */
static Expr *guard_without(Graph *g, const Node *n, const Terms *t, int solved, int k,
                           Expr *value) {
  Expr *map[IR_MAX_VARS] = {0}, *first = ex_bool(g, true), *later = ex_bool(g, true);
  map[k] = value;
  for (int i = 0; i < t->n; i++) {
    bool has = t->at[i]->vars >> k & 1;
    if (i < solved && has && value->reads) return NULL;
    Expr **to = i < solved && !has ? &first : &later;
    *to = ex2(g, P_and, *to, ex_subst(g, t->at[i], map, n->nvars));
  }
  first = ex2(g, P_and, first, ex2(g, P_le, ex_int(g, 0), value));
  first = ex2(g, P_and, first, ex2(g, P_lt, value, ex_int(g, n->extent[k])));
  return ex2(g, P_and, first, later);
}

/* Variable k becomes `value`, and the variables after it move down. */
static void remove_var(Graph *g, Node *n, int k, Expr *guard, Expr *body, Expr *value) {
  Expr *map[IR_MAX_VARS] = {0}, *shift[IR_MAX_VARS] = {0};
  map[k] = value;
  body = ex_subst(g, body, map, n->nvars);
  for (int j = k + 1; j < n->nvars; j++) {
    shift[j] = ex_var(g, j - 1);
    n->extent[j - 1] = n->extent[j];
    n->axis[j - 1] = n->axis[j];
  }
  n->nvars--;
  n->axis[n->nvars] = NULL;
  if (n->nvars == n->rank) n->reducer = RED_NONE;
  n->guard = ex_subst(g, guard, shift, n->nvars + 1);
  n->body = ex_subst(g, body, shift, n->nvars + 1);
}

/* A sum in which a guard fixes a reduced variable. A guard inside the body, as
 * select(c, x, 0), is as good: what it leaves out is 0. */
static bool remove_diagonal(Graph *g, Node *n) {
  if (n->kind != N_COMP || n->reducer != RED_SUM) return false;
  Expr *guard = n->guard ? n->guard : ex_bool(g, true), *body = n->body;
  while (body->kind == E_PRIM && body->prim == P_select && ex_is_zero(body->args[2])) {
    guard = ex2(g, P_and, guard, body->args[0]);
    body = body->args[1];
  }
  Terms t = {.n = 0};
  if (!conjunction(guard, &t, 0)) return false;
  for (int i = 0; i < t.n; i++)
    for (int k = n->rank; k < n->nvars; k++) {
      Expr *value = solve(g, t.at[i], k);
      Expr *rest = value ? guard_without(g, n, &t, i, k, value) : NULL;
      if (!rest) continue;
      remove_var(g, n, k, rest, body, value);
      return true;
    }
  return false;
}

/* ---- nodes ------------------------------------------------------------------------------ */

static Expr *fold(Graph *g, Node *n, Expr *e) { return ex_map(g, e, fold_one, n); }

static void fold_node(Graph *g, Node *n) {
  for (int k = 0; n->kind == N_SCATTER && k < n->rank; k++) n->index[k] = fold(g, n, n->index[k]);
  n->body = fold(g, n, n->body);
  if (!n->guard) return;
  n->guard = fold(g, n, n->guard);
  if (n->guard->kind == E_BOOL && n->guard->inum) {
    n->guard = NULL;
  } else {
    n->body = under_guard(g, n->guard, n->body);
    for (int k = 0; n->kind == N_SCATTER && k < n->rank; k++)
      n->index[k] = under_guard(g, n->guard, n->index[k]);
  }
}

/* A guard that never holds: every element is the empty reduction. */
static void fold_never(Graph *g, Node *n) {
  bool zero = n->reducer == RED_NONE || n->reducer == RED_SUM;
  if (n->kind != N_COMP || (!zero && n->reducer != RED_PROD) || n->type == TY_BOOL) return;
  int64_t x = zero ? 0 : 1;
  n->guard = NULL;
  n->body = n->type == TY_INT ? ex_int(g, x) : ex_num(g, (double)x);
  n->reducer = RED_NONE;
  for (int k = n->rank; k < n->nvars; k++) n->axis[k] = NULL;
  n->nvars = n->rank;
}

/* A condition that always holds may be all that vouches for a read, as a guard is taken on
 * trust: then it stays, and so does the node. */
static void simplify_node(Graph *g, Node *n) {
  for (int k = 0; k < n->nvars; k++)
    if (n->extent[k] == 0) return; /* nothing is ever computed */
  const Node before = *n;
  fold_node(g, n);
  while (remove_diagonal(g, n)) fold_node(g, n);
  if (n->guard && n->guard->kind == E_BOOL) fold_never(g, n);
  if (!ir_proved(g, n, false)) *n = before;
}

static void simplify_region(Graph *g, Region *r) {
  for (int i = 0; i < r->nodes.n; i++) {
    Node *n = r->nodes.at[i];
    if (n->kind == N_COMP || n->kind == N_SCATTER) simplify_node(g, n);
    if (n->kind == N_LOOP) simplify_region(g, n->loop->body);
  }
}

void pass_simplify(Graph *g, const PassOptions *o) {
  (void)o;
  simplify_region(g, g->top);
}
