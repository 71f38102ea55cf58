/* SPDX-License-Identifier: MIT */
/* Operands that are read at moved places: convolutions and the gradients of what they read.
 *
 *     y[b, l, o] = sum over k, c (0 <= 2 l + k - 1 < 64 ? x[b, 2 l + k - 1, c] : 0) * w[k, c, o]
 *     m   b       place b
 *         l, k    place 2 l + k - 1, inside 0 .. 63
 *     32 numbers of x in a place are packed once, where rows of a product would be for each tap
 *
 * or, with m and k the other way round, the gradient of its weights:
 *
 *     dw[k, c, o] = sum over b, l (0 <= l + k - 1 < 64 ? x[b, l + k - 1, c] : 0) * dy[b, l, o]
 *         k   b       place b
 *         l, k    place l + k - 1
 *     the places of 16 channels are turned once, and each tap reads them from elsewhere on
 *
 * needs       places of nodes are final
 * guarantees  each variable of m and each of k but the last is in one direction at most, and what
 *             the operand is 0 for follows from the directions' bounds alone */
#include "compiler/plan/product.h"

/* That a number is multiplied, or it may as well be packed each time. */
enum { TIMES_LEAST = 2 };

Expr *product_inside(Graph *g, Expr *e, Expr **where) {
  while (ex_is_prim(e, P_select) && ex_is_zero(e->args[2])) {
    *where = ex_and(g, *where, e->args[0]);
    e = e->args[1];
  }
  return e;
}

typedef struct Finder {
  Plan *p;
  const Node *n;
  const Contraction *c;
  GemmMoves *out;
  GemmAxisKind along, taps; /* m and k, or, turned, k and m: the last variable of `taps` runs
                               through a place */
} Finder;

/* The one variable of an axis, up to `limit`, that has a coefficient: *which, or -1; false:
 * more. */
static bool only_variable(const Finder *f, GemmAxisKind kind, int limit, const Affine *a,
                          int *which) {
  *which = -1;
  for (int v = 0; v < limit; v++) {
    const int var = f->c->var[kind][v];
    if (a->coef[var] == 0 || f->n->extent[var] == 1) continue;
    if (*which >= 0) return false;
    *which = v;
  }
  return true;
}

static int64_t extent_of(const Finder *f, GemmAxisKind kind, int v) {
  return v < 0 ? 1 : f->n->extent[f->c->var[kind][v]];
}

static bool varies(const Finder *f, const Affine *a, GemmAxisKind kind) {
  int which;
  return !only_variable(f, kind, f->c->nvars[kind], a, &which) || which >= 0;
}

/* A direction, put in the order of the variables along; false: it is none. */
static bool add_move(const Finder *f, const Affine *a, int64_t shape, int64_t stride) {
  const Contraction *c = f->c;
  GemmMoves *out = f->out;
  GemmMove x = {.from = 0, .to = shape, .stride = stride};
  if (!only_variable(f, f->along, c->nvars[f->along], a, &x.outer) ||
      !only_variable(f, f->taps, c->nvars[f->taps] - 1, a, &x.k) || x.outer < 0 ||
      varies(f, a, GEMM_BATCH) || a->rest->kind != E_INT)
    return false;
  x.step = a->coef[c->var[f->along][x.outer]];
  x.apart = x.k < 0 ? 0 : a->coef[c->var[f->taps][x.k]];
  x.first = a->rest->inum;
  const int64_t taps = extent_of(f, f->taps, x.k), rows = extent_of(f, f->along, x.outer);
  int64_t reach, across;
  if (x.step < 1 || x.step > taps || !mul_fits(x.apart, taps - 1, &reach) ||
      !mul_fits(x.step, rows - 1, &across))
    return false;
  x.lowest = reach < 0 ? reach : 0;
  x.count = across + (reach < 0 ? -reach : reach) + 1;
  int at = out->n++;
  for (; at > 0 && out->at[at - 1].outer > x.outer; at--) out->at[at] = out->at[at - 1];
  out->at[at] = x;
  return at == 0 || out->at[at - 1].outer < x.outer;
}

/* a >= least is a bound of one direction, or holds always. */
static bool add_bound(const Finder *f, const Affine *a, int64_t least) {
  const Contraction *c = f->c;
  if (a->rest->kind != E_INT || varies(f, a, GEMM_BATCH) || varies(f, a, GEMM_N)) return false;
  const int channel = c->var[f->taps][c->nvars[f->taps] - 1];
  int outer, k;
  if (a->coef[channel] || !only_variable(f, f->along, c->nvars[f->along], a, &outer) ||
      !only_variable(f, f->taps, c->nvars[f->taps] - 1, a, &k) || outer < 0)
    return false;
  for (int i = 0; i < f->out->n; i++) {
    GemmMove *x = &f->out->at[i];
    if (x->outer != outer || x->k != k) continue;
    const int64_t by = a->coef[c->var[f->along][outer]],
                  other = k < 0 ? 0 : a->coef[c->var[f->taps][k]];
    const int64_t rest = a->rest->inum - least;
    if (by == x->step && other == x->apart) { /* place - first + rest >= 0 */
      x->from = max_of(x->from, x->first - rest);
      return true;
    }
    if (by == -x->step && other == -x->apart) { /* first - place + rest >= 0 */
      x->to = min_of(x->to, x->first + rest + 1);
      return true;
    }
  }
  return false;
}

static bool add_condition(const Finder *f, Expr *e) {
  if (ex_is_prim(e, P_and)) return add_condition(f, e->args[0]) && add_condition(f, e->args[1]);
  Affine a;
  if (!ex_is_prim(e, P_le) && !ex_is_prim(e, P_lt)) return false;
  if (e->args[0]->type != TY_INT) return false;
  return ex_affine(f->p->g, ex2(f->p->g, P_sub, e->args[1], e->args[0]), &a) &&
         add_bound(f, &a, e->prim == P_lt);
}

/* Every variable has its direction, and places are fewer than what is made of them. */
static bool is_whole(const Finder *f) {
  const Contraction *c = f->c;
  const GemmMoves *m = f->out;
  uint32_t outer = 0, taps = 0;
  double places = 1;
  for (int i = 0; i < m->n; i++) {
    outer |= 1u << m->at[i].outer;
    if (m->at[i].k >= 0 && taps >> m->at[i].k & 1) return false;
    if (m->at[i].k >= 0) taps |= 1u << m->at[i].k;
    places *= (double)m->at[i].count;
  }
  for (int v = 0; v < c->nvars[f->along]; v++)
    if (extent_of(f, f->along, v) > 1 && !(outer >> v & 1)) return false;
  for (int v = 0; v < c->nvars[f->taps] - 1; v++)
    if (extent_of(f, f->taps, v) > 1 && !(taps >> v & 1)) return false;
  const double rows = (double)c->extent[GEMM_M] * (double)c->extent[GEMM_K] / (double)m->channels;
  return m->n > 0 && places < (double)INT32_MAX && rows >= TIMES_LEAST * places;
}

/* What is read, at which places from `base` on. */
static bool find_moves(Finder *f, GemmMoves *moves, Expr **read, Linear *base) {
  Plan *p = f->p;
  const Node *n = f->n;
  const Contraction *c = f->c;
  const int last = c->nvars[f->taps] - 1;
  if (last < 1) return false;
  Expr *where = c->where[GEMM_A], *e = product_inside(p->g, c->operand[GEMM_A], &where);
  if (e->kind != E_READ || e->node->type != TY_REAL) return false;
  const int channel = c->var[f->taps][last];
  int64_t stride[IR_MAX_RANK];
  bool found = false;
  *moves = (GemmMoves){.channels = n->extent[channel]};
  f->out = moves;
  plan_strides(p, e->node, stride);
  linear_init(base);
  for (int d = 0; d < e->node->rank; d++) {
    Expr *index = e->args[d];
    const int64_t shape = e->node->shape[d];
    Affine a;
    if (!ex_affine(p->g, index, &a)) return false;
    if (a.coef[channel]) {
      if (found || index->kind != E_VAR || stride[d] != 1 || shape < moves->channels) return false;
      found = true;
    } else if (varies(f, &a, GEMM_M) || varies(f, &a, GEMM_K)) {
      if (moves->n == IR_MAX_VARS || !add_move(f, &a, shape, stride[d])) return false;
    } else if (!ex_in_range(p->g, index, n->extent, n->nvars, shape) ||
               !linear_add(base, index, stride[d])) {
      return false;
    }
  }
  for (int i = 0; i < base->n; i++)
    if (base->term[i].atom->kind != E_VAR && base->term[i].atom->vars) return false;
  *read = e;
  return found && (!where || add_condition(f, where)) && is_whole(f);
}

bool product_moves(Plan *p, const Node *n, const Contraction *c, GemmMoves *out, Expr **read,
                   Linear *base) {
  const TargetProducts *t = &p->target->products;
  Finder f = {.p = p, .n = n, .c = c, .along = GEMM_M, .taps = GEMM_K};
  GemmMoves moves;
  *out = (GemmMoves){0};
  if (!t->moved_channels || !find_moves(&f, &moves, read, base)) return false;
  if (moves.channels % t->moved_channels ||
      extent_of(&f, GEMM_M, moves.at[moves.n - 1].outer) % t->moved_rows)
    return false;
  *out = moves;
  return true;
}

bool product_turned(Plan *p, const Node *n, const Contraction *c, GemmMoves *out, Expr **read,
                    Linear *base) {
  const TargetProducts *t = &p->target->products;
  Finder f = {.p = p, .n = n, .c = c, .along = GEMM_K, .taps = GEMM_M};
  GemmMoves moves;
  *out = (GemmMoves){0};
  if (!t->turned_channels || !find_moves(&f, &moves, read, base)) return false;
  int64_t reach = 0;
  for (int d = 0; d < moves.n; d++) {
    const GemmMove *x = &moves.at[d];
    if (x->step != 1 || !mul_fits(reach, x->count, &reach)) return false;
    reach += x->count - extent_of(&f, GEMM_K, x->outer);
  }
  if (moves.channels % t->turned_channels || reach > t->turned_reach ||
      extent_of(&f, GEMM_K, moves.at[moves.n - 1].outer) % t->turned_steps)
    return false;
  *out = moves;
  return true;
}
