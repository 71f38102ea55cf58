/* SPDX-License-Identifier: MIT */
/* Sums of products, recognised: a comprehension
 *
 *     y[b, i, j] = sum over p where guard (f1 * f2 * ...)
 *
 * whose factors split into two operands, A over (b, i, p) and B over (b, j, p).
 * b, i, j, p are groups of variables. Factors and conditions that no reduced
 * variable enters move behind the sum; conditions over one operand's variables
 * move into it. A sum of which all terms are left out is 0, whatever stands
 * before it. The last output variable is one of j, so that rows of the result are
 * contiguous. The last variable of k is the one whose terms lie side by side in
 * memory, where there is such a one. Terms p s + p t of which only p varies in the
 * sum are p (s + t).
 *
 * needs       nothing: it only reads the node
 * guarantees  the node's value is what the Contraction says, in the node's own variables,
 *             each of which has one axis; the target takes such a product and it is
 *             worth it
 *
 *     s[b,h,l,k] = sum over e (0.125 * q[b,l,h,e] * k[b,k,h,e])
 *       batch b h   m l   n k   k e   A = q[b,l,h,e]   B = k[b,k,h,e]   times 0.125  */
#include "compiler/plan/contract.h"

#include <math.h>

enum { FACTORS_MAX = 16, SUMS_MAX = 4 };

typedef struct Factors {
  Graph *g;
  Expr *at[FACTORS_MAX];
  int n;
  int sums; /* around these, that have them in common */
  Expr *condition[FACTORS_MAX];
  int nconditions;
  bool fails;
} Factors;

static void add_factor(Factors *f, Expr *e) {
  if (f->n == FACTORS_MAX)
    f->fails = true;
  else
    f->at[f->n++] = e;
}

static void add_condition(Factors *f, Expr *e) {
  if (e->kind == E_PRIM && e->prim == P_and) {
    add_condition(f, e->args[0]);
    add_condition(f, e->args[1]);
  } else if (f->nconditions == FACTORS_MAX) {
    f->fails = true;
  } else {
    f->condition[f->nconditions++] = e;
  }
}

static void flatten(Factors *f, Expr *e, uint32_t reduced);

/* The product of those that no reduced variable enters. */
static Expr *invariant_part(const Factors *f, uint32_t reduced) {
  Expr *e = ex_num(f->g, 1);
  for (int i = 0; i < f->n; i++)
    if (!(f->at[i]->vars & reduced)) e = ex2(f->g, P_mul, e, f->at[i]);
  return e;
}

/* Are factors that reduced variables enter the same in both? */
static bool same_varying(const Factors *a, const Factors *b, uint32_t reduced) {
  uint32_t taken = 0;
  int left = 0;
  for (int k = 0; k < b->n; k++) left += (b->at[k]->vars & reduced) != 0;
  for (int i = 0; i < a->n; i++) {
    if (!(a->at[i]->vars & reduced)) continue;
    int k = 0;
    while (k < b->n && (b->at[k] != a->at[i] || taken >> k & 1)) k++;
    if (k == b->n) return false;
    taken |= 1u << k;
    left--;
  }
  return left == 0;
}

/* p s + p t = p (s + t), where s and t stay while p is summed. */
static bool flatten_sum(Factors *f, Expr *e, uint32_t reduced) {
  Factors a = {.g = f->g, .sums = f->sums + 1}, b = a;
  if (a.sums > SUMS_MAX) return false;
  flatten(&a, e->args[0], reduced);
  flatten(&b, e->args[1], reduced);
  if (a.fails || b.fails || !same_varying(&a, &b, reduced)) return false;
  for (int i = 0; i < a.n; i++)
    if (a.at[i]->vars & reduced) add_factor(f, a.at[i]);
  add_factor(f, ex2(f->g, e->prim, invariant_part(&a, reduced), invariant_part(&b, reduced)));
  return true;
}

static void flatten(Factors *f, Expr *e, uint32_t reduced) {
  if (e->kind == E_PRIM && e->prim == P_mul) {
    flatten(f, e->args[0], reduced);
    flatten(f, e->args[1], reduced);
  } else if (e->kind == E_PRIM && e->prim == P_neg) {
    add_factor(f, ex_num(f->g, -1));
    flatten(f, e->args[0], reduced);
  } else if (e->kind == E_PRIM && e->prim == P_div && !(e->args[1]->vars & reduced)) {
    add_factor(f, ex2(f->g, P_div, ex_num(f->g, 1), e->args[1]));
    flatten(f, e->args[0], reduced);
  } else if (!((ex_is_prim(e, P_add) || ex_is_prim(e, P_sub)) && e->vars & reduced &&
               flatten_sum(f, e, reduced))) {
    add_factor(f, e);
  }
}

static uint32_t mask(int from, int to) { return (uint32_t)((1ull << to) - (1ull << from)); }

/* Factors to sides, by the variables they name; more than two meet where their
 * variables are known already. */
static bool split_factors(const Factors *f, uint32_t outputs, uint32_t reduced, uint32_t vars[2],
                          int *side) {
  int seed[2] = {-1, -1};
  for (int i = 0; i < f->n; i++) {
    side[i] = -1;
    if (!(f->at[i]->vars & reduced)) continue;
    if (seed[0] < 0 ||
        __builtin_popcount(f->at[i]->vars) > __builtin_popcount(f->at[seed[0]]->vars))
      seed[0] = i;
  }
  if (seed[0] < 0) return false;
  vars[0] = f->at[seed[0]]->vars;
  int most = -1; /* that of one row has none of its own */
  for (int i = 0; i < f->n; i++) {
    if (i == seed[0] || !(f->at[i]->vars & reduced)) continue;
    int own = __builtin_popcount(f->at[i]->vars & outputs & ~vars[0]);
    if (own > most) {
      most = own;
      seed[1] = i;
    }
  }
  if (seed[1] < 0) return false;
  vars[1] = f->at[seed[1]]->vars;
  side[seed[0]] = 0;
  side[seed[1]] = 1;
  for (int i = 0; i < f->n; i++) {
    uint32_t v = f->at[i]->vars;
    if (side[i] >= 0 || !(v & reduced)) continue;
    int grow0 = __builtin_popcount(v & ~vars[0]), grow1 = __builtin_popcount(v & ~vars[1]);
    side[i] = grow1 < grow0;
    vars[side[i]] |= v;
  }
  return true;
}

static Expr *times(Graph *g, Expr *a, Expr *b) { return a ? ex2(g, P_mul, a, b) : b; }
static Expr *both(Graph *g, Expr *a, Expr *b) { return a ? ex2(g, P_and, a, b) : b; }

static void add_axis(Contraction *c, GemmAxisKind kind, const Node *n, int var) {
  c->var[kind][c->nvars[kind]++] = var;
  c->extent[kind] *= n->extent[var];
}

/* Output and reduced variables to axes; false when one has no place. */
static bool split_variables(Contraction *c, const Node *n, const uint32_t vars[2]) {
  for (int v = 0; v < n->rank; v++) {
    bool a = vars[0] >> v & 1, b = vars[1] >> v & 1;
    add_axis(c, a && b ? GEMM_BATCH : b ? GEMM_N : GEMM_M, n, v);
    if (!a && !b && n->extent[v] > 1) return false;
  }
  for (int v = n->rank; v < n->nvars; v++) add_axis(c, GEMM_K, n, v);
  return true;
}

typedef struct Beside {
  Graph *g;
  int var;
  int64_t count; /* elements of what is read so that this variable's lie side by side */
} Beside;

static void find_beside(Expr *e, void *ctx) {
  Beside *b = ctx;
  Affine a;
  if (e->kind != E_READ || e->node->rank == 0 || e->type != TY_REAL) return;
  Expr *last = e->args[e->node->rank - 1];
  if (!(last->vars >> b->var & 1) || !ex_affine(b->g, last, &a) || a.coef[b->var] != 1) return;
  for (int d = 0; d < e->node->rank - 1; d++)
    if (e->args[d]->vars >> b->var & 1) return;
  b->count += ir_count(e->node);
}

/* Terms lie side by side in memory where the last variable of k runs, if they do for any:
 * a sum has no order of its own. Numbers that say where a term lies are none of it. */
static void order_terms(Graph *g, Contraction *c, const Node *n) {
  int *var = c->var[GEMM_K], count = c->nvars[GEMM_K], best = count - 1;
  int64_t most = 0;
  for (int v = count - 1; v >= 0; v--) {
    Beside b = {.g = g, .var = var[v]};
    if (n->extent[var[v]] == 1) continue;
    for (int side = 0; side < 2; side++) ex_visit(g, c->operand[side], find_beside, &b);
    if (b.count > most) best = v, most = b.count;
  }
  int last = best < 0 ? 0 : var[best];
  for (int v = best; v >= 0 && v < count - 1; v++) var[v] = var[v + 1];
  if (best >= 0) var[count - 1] = last;
}

static bool worth_it(const TargetProducts *t, const Contraction *c) {
  const int64_t *e = c->extent;
  if (e[GEMM_N] < t->n_least || e[GEMM_M] < t->m_least || e[GEMM_K] < t->k_least) return false;
  return (double)e[GEMM_M] * (double)e[GEMM_N] * (double)e[GEMM_K] * (double)e[GEMM_BATCH] >=
             t->work_least &&
         e[GEMM_M] * e[GEMM_N] * e[GEMM_K] >= t->batch_least;
}

/* ---- few rows ----------------------------------------------------------------------------- */

/* A state, what shows one, or a map that copies one. */
static bool is_weight(const Node *n) {
  while (n->kind == N_VIEW) n = n->base;
  if (n->kind == N_COMP && n->reducer == RED_NONE && n->body->kind == E_READ) n = n->body->node;
  while (n->kind == N_VIEW) n = n->base;
  return n->kind == N_STATE;
}

/* How far a variable moves what is read, whose rows are dense; 0: not evenly. */
static int64_t stride_of(Graph *g, const Expr *read, int var) {
  int64_t stride = 1, by_var = 0;
  for (int d = read->node->rank - 1; d >= 0; d--) {
    Affine a;
    if (read->args[d]->vars >> var & 1) {
      if (!ex_affine(g, read->args[d], &a)) return 0;
      by_var += a.coef[var] * stride;
    }
    stride *= read->node->shape[d];
  }
  return by_var;
}

/* Does an axis move it by one stride, `first` if that is not 0? With `unit`, or only its last
 * variable, if that is a multiple of so many. */
static bool is_even(Graph *g, const Contraction *c, const Node *n, GemmAxisKind kind,
                    const Expr *read, int64_t first, int64_t unit) {
  int64_t inner = 1;
  for (int v = c->nvars[kind] - 1; v >= 0; v--) {
    const int64_t extent = n->extent[c->var[kind][v]];
    if (extent == 1) continue;
    const int64_t stride = stride_of(g, read, c->var[kind][v]);
    if (first == 0) first = stride;
    if (stride == 0 || (stride != first * inner && !(unit && inner > 1 && inner % unit == 0)))
      return false;
    inner *= extent;
  }
  return true;
}

static int wide_vars(const Contraction *c, const Node *n, GemmAxisKind kind) {
  int wide = 0;
  for (int v = 0; v < c->nvars[kind]; v++) wide += n->extent[c->var[kind][v]] > 1;
  return wide;
}

bool contract_few(Graph *g, const TargetProducts *t, const Node *n, const Contraction *c) {
  const Expr *b = c->operand[GEMM_B];
  const int64_t *e = c->extent;
  if (e[GEMM_M] > t->few_rows || e[GEMM_BATCH] > 1 || e[GEMM_N] < t->few_columns ||
      e[GEMM_N] * e[GEMM_K] < t->few_work || contract_leaves_out(c) || b->kind != E_READ ||
      !is_weight(b->node))
    return false;
  /* heads of one row are rows themselves, which what follows shares out */
  if (e[GEMM_M] == 1 && wide_vars(c, n, GEMM_N) > 1) return false;
  return is_even(g, c, n, GEMM_N, b, 1, t->few_columns) && is_even(g, c, n, GEMM_K, b, 0, 0);
}

/* Does the target take such operands and conditions? */
static bool takes(const TargetProducts *t, const Contraction *c) {
  for (int side = 0; side < 2 && !t->computed; side++)
    if (c->where[side] || c->operand[side]->kind != E_READ) return false;
  return t->computed || !c->condition;
}

static bool place_conditions(Contraction *c, const Factors *f, uint32_t reduced,
                             const uint32_t vars[2]) {
  Graph *g = f->g;
  for (int i = 0; i < f->nconditions; i++) {
    Expr *e = f->condition[i];
    if (!(e->vars & reduced))
      c->condition = both(g, c->condition, e);
    else if (!(e->vars & ~vars[0]))
      c->where[0] = both(g, c->where[0], e);
    else if (!(e->vars & ~vars[1]))
      c->where[1] = both(g, c->where[1], e);
    else
      return false;
  }
  return true;
}

bool contract_leaves_out(const Contraction *c) { return c->where[GEMM_A] || c->where[GEMM_B]; }

/* Where a factor goes that stays while terms are added: behind the sum, -1; but there it must not
 * meet a sum of no terms, which is 0 whatever it is. Where conditions tell by the row alone that
 * there are none, the sum is asked (may_be_empty); else it goes to the side whose variables it
 * has. -2: neither has them. */
static int side_of(Contraction *c, const Expr *factor, const uint32_t vars[2]) {
  if (!contract_leaves_out(c) || (factor->kind == E_NUM && isfinite(factor->num))) return -1;
  if (!c->where[GEMM_B]) {
    c->may_be_empty = true;
    return -1;
  }
  return !(factor->vars & ~vars[0]) ? GEMM_A : !(factor->vars & ~vars[1]) ? GEMM_B : -2;
}

static bool find(Graph *g, const TargetProducts *t, const Node *n, Contraction *c) {
  if (n->kind != N_COMP || n->reducer != RED_SUM || n->type != TY_REAL) return false;
  for (int k = 0; k < GEMM_AXES; k++) c->extent[k] = 1;
  for (int v = 0; v < n->nvars; v++)
    if (n->extent[v] < 1) return false;
  uint32_t outputs = mask(0, n->rank), reduced = mask(n->rank, n->nvars), vars[2];
  Factors f = {.g = g};
  Expr *body = n->body;
  if (n->guard) add_condition(&f, n->guard);
  while (body->kind == E_PRIM && body->prim == P_select && ex_is_zero(body->args[2])) {
    add_condition(&f, body->args[0]);
    body = body->args[1];
  }
  flatten(&f, body, reduced);
  int side[FACTORS_MAX];
  if (f.fails || !split_factors(&f, outputs, reduced, vars, side)) return false;
  if (n->rank > 0 && vars[0] >> (n->rank - 1) & 1 && !(vars[1] >> (n->rank - 1) & 1)) {
    uint32_t swap = vars[0];
    vars[0] = vars[1];
    vars[1] = swap;
    for (int i = 0; i < f.n; i++)
      if (side[i] >= 0) side[i] = !side[i];
  }
  if (!split_variables(c, n, vars) || (!worth_it(t, c) && c->extent[GEMM_M] > t->few_rows) ||
      !place_conditions(c, &f, reduced, vars))
    return false;
  for (int i = 0; i < f.n; i++) {
    if (side[i] < 0) side[i] = side_of(c, f.at[i], vars);
    if (side[i] < -1) return false;
    if (side[i] >= 0)
      c->operand[side[i]] = times(g, c->operand[side[i]], f.at[i]);
    else
      c->factor = times(g, c->factor, f.at[i]);
  }
  order_terms(g, c, n);
  return takes(t, c) && (worth_it(t, c) || contract_few(g, t, n, c));
}

GemmAxisKind gemm_outer(GemmSide side) { return side == GEMM_A ? GEMM_M : GEMM_N; }

bool contract_matches(Graph *g, const TargetProducts *t, const Node *n) {
  Contraction c = {0};
  return find(g, t, n, &c);
}

Contraction *contract_find(Graph *g, const TargetProducts *t, const Node *n) {
  Contraction *c = NEW(g->arena, Contraction);
  return find(g, t, n, c) ? c : NULL;
}
