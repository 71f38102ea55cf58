/* SPDX-License-Identifier: MIT */
/* Contributions solved for the axes they go to. The definition scatters:
 *
 *     for all v where guard:  dX[p(v)] += value(v)
 *
 * Where p is affine and can be solved, dX becomes a gather over X's own axes x:
 *
 *     p = v0              v0 = x0                          (bare, permuted)
 *     v absent from p     v is summed
 *     p = (v0, v0)        v0 = x0 where x1 == x0           (diagonal)
 *     p = 3               where x0 == 3
 *     p = v0 + v1 + c     v0 = x0 - v1 - c where in range, v1 summed
 *     p = 2*v0 + v1       v0 = (x0 - v1) / 2 where it divides, v1 summed
 *     p = s*v0 + v1, v1 < s     v0 = x0 / s, v1 = x0 mod s (blocks)
 *     p = v0 / s          v0 = s*x0 + j, j < s summed      (mod likewise)
 *     p = (v0, f(v0))     v0 = x0 where x1 == f(x0)        (f: data, say)
 *
 * The rest of an index may hold loop counters. Equations are kept linear in the
 * variables not solved yet; a solution that divides is put back as it stands. */
#include "compiler/grad/grad_internal.h"

/* sum coef[k] * v_k + rest; rest is over X's axes. */
typedef struct Sum {
  int64_t coef[IR_MAX_VARS];
  Expr *rest;
} Sum;

typedef enum { OPEN, LINEAR, DIVIDED } Solved;

/* LINEAR: v = sum. DIVIDED: v = (sum mod modulus) / divisor, modulus 0: none. */
typedef struct Solution {
  Solved kind;
  Sum sum;
  int64_t modulus, divisor;
  Expr *made; /* over the new variables */
} Solution;

typedef struct Condition { /* (sum mod modulus) == 0, modulus 0: sum == 0 */
  Sum sum;
  int64_t modulus;
} Condition;

typedef struct Solver {
  Graph *g;
  Share share; /* with the variables that quotients need */
  int rank;
  Sum equation[IR_MAX_RANK]; /* 0 = sum coef * v + rest */
  bool done[IR_MAX_RANK];
  bool opaque[IR_MAX_RANK]; /* no equation: compared when its variables are known */
  Expr *below;              /* conditions on axes alone, or NULL */
  Solution solution[IR_MAX_VARS];
  Condition condition[IR_MAX_RANK + IR_MAX_VARS];
  int nconditions;
  VEC(int) order; /* variables as solved: their ranges are checked */
} Solver;

static void set_equation(Solver *s, int a, const Affine *f, int64_t scale) {
  Sum *e = &s->equation[a];
  for (int k = 0; k < IR_MAX_VARS; k++) e->coef[k] = f->coef[k];
  e->rest = ex2(s->g, P_sub, f->rest, ex2(s->g, P_mul, ex_int(s->g, scale), ex_var(s->g, a)));
}

/* A variable of the solver's own: what a quotient or a remainder leaves open. */
static bool fresh(Solver *s, Sum *e, int64_t extent, int64_t coef) {
  if (s->share.nvars == IR_MAX_VARS) return false;
  s->share.extent[s->share.nvars] = extent;
  s->share.axis[s->share.nvars] = NULL;
  e->coef[s->share.nvars++] = coef;
  return true;
}

static bool is_by(const Expr *e, Prim p) {
  return e->kind == E_PRIM && e->prim == p && e->args[1]->kind == E_INT && e->args[1]->inum > 0;
}

/* x = e mod d: e = x + d*j. */
static bool set_remainder(Solver *s, int a, const Affine *f, Expr *e, int64_t d) {
  int64_t lo, hi;
  if (!ex_interval(s->g, e, s->share.extent, s->share.nvars, &lo, &hi)) return false;
  int64_t first = lo / d - (lo % d < 0), last = hi / d - (hi % d < 0);
  set_equation(s, a, f, 1);
  s->equation[a].rest = ex2(s->g, P_sub, s->equation[a].rest, ex_int(s->g, first * d));
  s->below = ex_and(s->g, s->below, ex2(s->g, P_lt, ex_var(s->g, a), ex_int(s->g, d)));
  return last == first || fresh(s, &s->equation[a], last - first + 1, -d);
}

/* x = e / d: e = d*x + j with j < d, which is x' where another axis has e mod d. */
static bool set_quotient(Solver *s, int a, const Affine *f, Expr *e, int64_t d) {
  set_equation(s, a, f, d);
  for (int b = 0; b < s->rank; b++) {
    const Expr *p = s->share.index[b];
    if (s->done[b] || !is_by(p, P_mod) || p->args[0] != e || p->args[1]->inum != d) continue;
    s->equation[a].rest = ex2(s->g, P_sub, s->equation[a].rest, ex_var(s->g, b));
    s->below = ex_and(s->g, s->below, ex2(s->g, P_lt, ex_var(s->g, b), ex_int(s->g, d)));
    s->done[b] = true;
    return true;
  }
  return d == 1 || fresh(s, &s->equation[a], d, -1);
}

static bool set_up(Solver *s) {
  for (int round = 0; round < 2; round++) /* quotients first: they take remainders along */
    for (int a = 0; a < s->rank; a++) {
      Expr *p = s->share.index[a];
      Affine f;
      bool quotient = is_by(p, P_div), remainder = is_by(p, P_mod);
      if (s->done[a] || (round == 0) != quotient) continue;
      if (ex_affine(s->g, p, &f)) {
        set_equation(s, a, &f, 1);
      } else if ((quotient || remainder) && ex_affine(s->g, p->args[0], &f)) {
        if (quotient && !set_quotient(s, a, &f, p->args[0], p->args[1]->inum)) return false;
        if (remainder && !set_remainder(s, a, &f, p->args[0], p->args[1]->inum)) return false;
      } else {
        s->opaque[a] = s->done[a] = true;
      }
    }
  return true;
}

static int open_vars(const Solver *s, const Sum *e) {
  int n = 0;
  for (int k = 0; k < s->share.nvars; k++) n += e->coef[k] != 0 && s->solution[k].kind == OPEN;
  return n;
}

static bool has_divided(const Solver *s, const Sum *e) {
  for (int k = 0; k < s->share.nvars; k++)
    if (e->coef[k] != 0 && s->solution[k].kind == DIVIDED) return true;
  return false;
}

static Expr *times(Graph *g, int64_t c, Expr *e) { return ex2(g, P_mul, ex_int(g, c), e); }

/* Put a linear solution into the equations that are left. */
static void substitute(Solver *s, int v) {
  const Sum *by = &s->solution[v].sum;
  for (int a = 0; a < s->rank; a++) {
    Sum *e = &s->equation[a];
    int64_t c = e->coef[v];
    if (s->done[a] || c == 0) continue;
    e->coef[v] = 0;
    for (int k = 0; k < IR_MAX_VARS; k++) e->coef[k] += c * by->coef[k];
    e->rest = ex2(s->g, P_add, e->rest, times(s->g, c, by->rest));
  }
}

static void solved(Solver *s, Arena *arena, int v) {
  vec_push(arena, &s->order, v);
  if (s->solution[v].kind == LINEAR) substitute(s, v);
}

static void set_linear(Solver *s, int v, Sum sum) {
  s->solution[v].kind = LINEAR;
  s->solution[v].sum = sum;
  solved(s, s->g->arena, v);
}

static void set_divided(Solver *s, int v, Sum sum, int64_t modulus, int64_t divisor) {
  s->solution[v] = (Solution){DIVIDED, sum, modulus, divisor, NULL};
  solved(s, s->g->arena, v);
}

static void require(Solver *s, Sum sum, int64_t modulus) {
  s->condition[s->nconditions++] = (Condition){sum, modulus};
}

/* sum * factor with variable v left out */
static Sum without(Solver *s, const Sum *e, int v, int64_t factor) {
  Sum r = *e;
  r.coef[v] = 0;
  for (int k = 0; k < IR_MAX_VARS; k++) r.coef[k] *= factor;
  r.rest = times(s->g, factor, e->rest);
  return r;
}

/* coef * v + others == 0 for v. */
static void solve_for(Solver *s, const Sum *e, int v) {
  int64_t c = e->coef[v];
  Sum others = without(s, e, v, c > 0 ? -1 : 1);
  int64_t size = c > 0 ? c : -c;
  if (size == 1) {
    set_linear(s, v, others);
  } else {
    require(s, others, size);
    set_divided(s, v, others, 0, size);
  }
}

/* The open variables by falling coefficient, if every one steps over all that
 * the following ones can reach together: digits, each found by division. */
static bool blocks(const Solver *s, const Sum *e, int *digit, int *ndigits) {
  int n = 0;
  for (int k = 0; k < s->share.nvars; k++) {
    if (e->coef[k] == 0 || s->solution[k].kind != OPEN) continue;
    if (e->coef[k] < 0) return false;
    int at = n++;
    for (; at > 0 && e->coef[digit[at - 1]] < e->coef[k]; at--) digit[at] = digit[at - 1];
    digit[at] = k;
  }
  int64_t reach = 0;
  for (int i = n - 1; i >= 0; i--) {
    int64_t c = e->coef[digit[i]], step;
    if (c <= reach) return false;
    if (!mul_fits(c, s->share.extent[digit[i]] - 1, &step) || !add_fits(reach, step, &reach))
      return false;
  }
  *ndigits = n;
  return true;
}

static void solve_blocks(Solver *s, const Sum *e, const int *digit, int n) {
  Sum z = {.rest = times(s->g, -1, e->rest)};
  for (int i = 0; i < n; i++) {
    int64_t c = e->coef[digit[i]];
    set_divided(s, digit[i], z, 0, c);
    z.rest = ex2(s->g, P_mod, z.rest, ex_int(s->g, c));
  }
  if (e->coef[digit[n - 1]] > 1) require(s, z, 0);
}

/* The variable whose sum would be the longest; of equals the one that needs no division. */
static int costliest(const Solver *s, const Sum *e) {
  int best = -1;
  for (int k = 0; k < s->share.nvars; k++) {
    if (e->coef[k] == 0 || s->solution[k].kind != OPEN) continue;
    int64_t size = s->share.extent[k];
    bool unit = e->coef[k] == 1 || e->coef[k] == -1;
    if (best < 0 || size > s->share.extent[best] ||
        (size == s->share.extent[best] && unit && e->coef[best] != 1 && e->coef[best] != -1))
      best = k;
  }
  return best;
}

static void solve_equation(Solver *s, int a) {
  Sum e = s->equation[a];
  s->done[a] = true;
  int digit[IR_MAX_VARS], n = 0, open = open_vars(s, &e);
  if (open == 0 || has_divided(s, &e)) {
    require(s, e, 0);
  } else if (open > 1) {
    for (int k = 0; k < s->share.nvars && open > 1; k++) { /* a variable of extent 1 is 0 */
      if (e.coef[k] == 0 || s->solution[k].kind != OPEN || s->share.extent[k] != 1) continue;
      set_linear(s, k, (Sum){.rest = ex_int(s->g, 0)});
      e.coef[k] = 0;
      open--;
    }
    if (open > 1 && blocks(s, &e, digit, &n))
      solve_blocks(s, &e, digit, n);
    else
      solve_for(s, &e, costliest(s, &e));
  } else {
    solve_for(s, &e, costliest(s, &e));
  }
}

/* Bare indices first, whatever the order of axes; then what has fewest unknowns. */
static void solve(Solver *s) {
  for (int a = 0; a < s->rank; a++) {
    const Expr *p = s->share.index[a];
    if (!s->done[a] && p->kind == E_VAR && s->solution[p->inum].kind == OPEN) solve_equation(s, a);
  }
  for (int round = 0; round < s->rank; round++) {
    int best = -1;
    for (int a = 0; a < s->rank; a++)
      if (!s->done[a] &&
          (best < 0 || open_vars(s, &s->equation[a]) < open_vars(s, &s->equation[best])))
        best = a;
    if (best >= 0) solve_equation(s, best);
  }
}

/* ---- back to expressions --------------------------------------------------------- */

static Expr *made(Solver *s, int v);

static Expr *sum_expr(Solver *s, const Sum *e) {
  Expr *r = e->rest;
  for (int k = 0; k < s->share.nvars; k++)
    if (e->coef[k] != 0) r = ex2(s->g, P_add, r, times(s->g, e->coef[k], made(s, k)));
  return r;
}

static Expr *made(Solver *s, int v) {
  Solution *x = &s->solution[v];
  if (x->made) return x->made;
  Expr *e = sum_expr(s, &x->sum);
  if (x->modulus > 0) e = ex2(s->g, P_mod, e, ex_int(s->g, x->modulus));
  if (x->kind == DIVIDED && x->divisor > 1) e = ex2(s->g, P_div, e, ex_int(s->g, x->divisor));
  return x->made = e;
}

/* guard && c, c left out where the extents prove it */
static Expr *also(Solver *s, const Term *t, Expr *guard, Expr *c) {
  int64_t lo = 0, hi = 1;
  ex_interval(s->g, c, t->extent, s->rank + t->nred, &lo, &hi);
  return lo == 1 ? guard : ex_and(s->g, guard, c);
}

static Expr *each_conjunct(Solver *s, const Term *t, Expr *guard, Expr *c) {
  if (c->kind != E_PRIM || c->prim != P_and) return also(s, t, guard, c);
  guard = each_conjunct(s, t, guard, c->args[0]);
  return each_conjunct(s, t, guard, c->args[1]);
}

static Expr *conditions(Solver *s, const Term *t) {
  Graph *g = s->g;
  Expr *guard = s->below ? each_conjunct(s, t, NULL, s->below) : NULL, *zero = ex_int(g, 0);
  for (int i = 0; i < s->nconditions; i++) {
    const Condition *c = &s->condition[i];
    Expr *e = sum_expr(s, &c->sum);
    if (c->modulus > 0) e = ex2(g, P_mod, e, ex_int(g, c->modulus));
    guard = also(s, t, guard, ex2(g, P_eq, e, zero));
  }
  for (int i = 0; i < s->order.n; i++) {
    int v = s->order.at[i];
    guard = also(s, t, guard, ex2(g, P_le, zero, made(s, v)));
    guard = also(s, t, guard, ex2(g, P_lt, made(s, v), ex_int(g, s->share.extent[v])));
  }
  return guard;
}

/* What an axis was read at is the axis, also where folding cannot see it. */
typedef struct Known {
  int rank;
  Expr *index[IR_MAX_RANK];
} Known;

static Expr *known_step(Graph *g, Expr *e, void *ctx) {
  const Known *known = ctx;
  for (int a = 0; a < known->rank; a++)
    if (e == known->index[a]) return ex_var(g, a);
  return e;
}

/* e over the new variables. */
static Expr *moved(Solver *s, Expr *e, Expr *const *map) {
  if (!e) return NULL;
  Known known = {.rank = s->rank};
  bool any = false;
  for (int a = 0; a < s->rank; a++) {
    Expr *index = ex_subst(s->g, s->share.index[a], map, s->share.nvars);
    if (s->opaque[a] || index->kind != E_PRIM) continue;
    known.index[a] = index;
    any = true;
  }
  e = ex_subst(s->g, e, map, s->share.nvars);
  return any ? ex_map(s->g, e, known_step, &known) : e;
}

/* An axis whose index is no equation, say X[b, id[b]]: a comparison, once all
 * that it depends on is known and nothing is summed; else X is better scattered to. */
static bool compare_opaque(Solver *s, Term *t, Expr *const *map) {
  for (int a = 0; a < s->rank; a++) {
    if (!s->opaque[a]) continue;
    Expr *index = s->share.index[a];
    for (int k = 0; k < s->share.nvars; k++)
      if (s->solution[k].kind == OPEN) return false;
    index = ex_subst(s->g, index, map, s->share.nvars);
    t->guard = ex_and(s->g, t->guard, ex2(s->g, P_eq, ex_var(s->g, a), index));
  }
  return true;
}

/* What is summed need not be summed when it does not depend on the variable. */
static void drop_idle(Solver *s, Term *t) {
  Graph *g = s->g;
  for (int v = s->rank + t->nred - 1; v >= s->rank; v--) {
    uint32_t used = ex_vars(g, t->value) | (t->guard ? ex_vars(g, t->guard) : 0);
    if (used >> v & 1) continue;
    t->value = ex2(g, P_mul, t->value, ex_num(g, (double)t->extent[v]));
    Expr *map[IR_MAX_VARS] = {NULL};
    t->nred--;
    for (int k = v; k < s->rank + t->nred; k++) {
      t->extent[k] = t->extent[k + 1];
      t->axis[k] = t->axis[k + 1];
      map[k + 1] = ex_var(g, k);
    }
    t->value = ex_subst(g, t->value, map, IR_MAX_VARS);
    if (t->guard) t->guard = ex_subst(g, t->guard, map, IR_MAX_VARS);
  }
}

bool grad_invert(Graph *g, int rank, const int64_t *shape, const Share *share, Term *out) {
  Solver s = {.g = g, .share = *share, .rank = rank};
  if (!set_up(&s)) return false;
  solve(&s);
  Term t = {.span = share->span};
  Expr *map[IR_MAX_VARS] = {NULL};
  for (int a = 0; a < rank; a++) t.extent[a] = shape[a];
  for (int k = 0; k < s.share.nvars; k++) {
    if (s.solution[k].kind != OPEN) continue;
    int v = rank + t.nred++;
    if (v >= IR_MAX_VARS) return false;
    t.extent[v] = s.share.extent[k];
    t.axis[v] = s.share.axis[k];
    s.solution[k].made = ex_var(g, v);
  }
  for (int k = 0; k < s.share.nvars; k++) map[k] = made(&s, k);
  t.guard = conditions(&s, &t);
  if (share->guard) t.guard = each_conjunct(&s, &t, t.guard, moved(&s, share->guard, map));
  if (!compare_opaque(&s, &t, map)) return false;
  t.value = moved(&s, share->value, map);
  drop_idle(&s, &t);
  *out = t;
  return true;
}
