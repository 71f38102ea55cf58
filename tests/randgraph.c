/* SPDX-License-Identifier: MIT */
/* See randgraph.h. Every expression comes with a bound of its magnitude, and what
 * grows is squashed, so that no value overflows and rounding stays small. */
#include "compiler/eval/eval.h"
#include "tests/randchain.h"
#include "tests/randgraph.h"

#include <math.h>
#include <string.h>

enum { POOL_MAX = 400, SPACE_MAX = 3000, LOOPS_MAX = 2 };

typedef struct Known {
  Node *node;
  double bound;
} Known;

typedef struct Gen {
  Graph *g;
  const RandSpec *spec;
  uint64_t rng;
  Region *region;
  Loop *loops[LOOPS_MAX]; /* around */
  int nloops;
  Known pool[POOL_MAX]; /* what may be read here */
  int npool;
  int made; /* comprehensions so far */
  int named;
  /* of the node being made */
  int nvars;
  int64_t extent[IR_MAX_VARS];
} Gen;

typedef struct Value {
  Expr *e;
  double bound;
} Value;

static const Span nowhere;

uint64_t rand_next(uint64_t *state) {
  uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

int rand_below(uint64_t *state, int n) { return (int)(rand_next(state) % (uint64_t)n); }

static int below(Gen *r, int n) { return rand_below(&r->rng, n); }
static bool chance(Gen *r, int percent) { return below(r, 100) < percent; }

static const char *fresh(Gen *r, const char *stem) {
  return arena_printf(r->g->arena, "%s%d", stem, r->named++);
}

static void add(Gen *r, Node *n, double bound) {
  if (r->npool < POOL_MAX) r->pool[r->npool++] = (Known){n, bound};
}

static int64_t random_extent(Gen *r) {
  static const int64_t extents[] = {1, 1, 2, 2, 3, 4, 5, 7, 8, 17};
  return extents[below(r, 10)];
}

/* ---- indices ---------------------------------------------------------------------- */

static Known *pick(Gen *r, Type type) {
  for (int attempt = 0; attempt < 12; attempt++) {
    int back = chance(r, 60) && r->npool > 6 ? 6 : r->npool; /* rather a recent one */
    Known *k = &r->pool[r->npool - 1 - below(r, back)];
    if (k->node->type == type) return k;
  }
  return NULL;
}

static Value read_of(Gen *r, Known *k, int depth);

/* An integer expression; any value. */
static Expr *random_index(Gen *r, int64_t extent, int depth) {
  Graph *g = r->g;
  Expr *c = ex_int(g, below(r, 3)), *v = r->nvars > 0 ? ex_var(g, below(r, r->nvars)) : c;
  switch (below(r, 12)) {
  case 0: return ex_int(g, below(r, (int)extent));
  case 1: return ex2(g, P_add, v, c);
  case 2: return ex2(g, P_sub, v, c);
  case 3: return ex2(g, P_add, ex2(g, P_mul, ex_int(g, 2), v), c);
  case 4: return ex2(g, P_sub, ex_int(g, extent - 1), v);
  case 5: return ex2(g, P_add, v, r->nvars > 0 ? ex_var(g, below(r, r->nvars)) : c);
  case 6: return ex2(g, P_mod, ex2(g, P_add, v, c), ex_int(g, extent));
  case 7: return ex2(g, P_div, v, ex_int(g, 2));
  case 8: {
    Known *k = depth > 0 ? pick(r, TY_INT) : NULL;
    return k ? read_of(r, k, depth - 1).e : v;
  }
  case 9: return r->nloops > 0 ? ex_loopvar(g, r->loops[below(r, r->nloops)]) : v;
  default: { /* mostly bare variables that fit */
    for (int attempt = 0; attempt < 4 && r->nvars > 0; attempt++) {
      int k = below(r, r->nvars);
      if (r->extent[k] == extent) return ex_var(g, k);
    }
    return v;
  }
  }
}

/* Conditions that `index` lies in 0 .. extent-1, added to *guard (NULL: none). */
static void bound_index(Gen *r, Expr *index, int64_t extent, Expr **guard) {
  Graph *g = r->g;
  int64_t lo, hi;
  bool known = ex_interval(g, index, r->extent, r->nvars, &lo, &hi);
  Expr *term[2] = {NULL, NULL};
  if (!known || lo < 0) term[0] = ex2(g, P_le, ex_int(g, 0), index);
  if (!known || hi >= extent) term[1] = ex2(g, P_lt, index, ex_int(g, extent));
  for (int i = 0; i < 2; i++)
    if (term[i]) *guard = *guard ? ex2(g, P_and, *guard, term[i]) : term[i];
}

static Value read_of(Gen *r, Known *k, int depth) {
  Graph *g = r->g;
  Node *n = k->node;
  Expr *index[IR_MAX_RANK] = {0}, *guard = NULL;
  for (int i = 0; i < n->rank; i++) {
    index[i] = random_index(r, n->shape[i], depth);
    bound_index(r, index[i], n->shape[i], &guard);
  }
  Expr *e = ex_read(g, n, index);
  if (guard) {
    Expr *other = n->type == TY_REAL  ? ex_num(g, below(r, 3) * 0.25)
                  : n->type == TY_INT ? ex_int(g, 0)
                                      : ex_bool(g, false);
    e = ex3(g, P_select, guard, e, other);
  }
  double bound = k->bound;
  if (n->type == TY_REAL && isinf(bound)) { /* an empty max may be -inf */
    e = ex1(g, P_tanh, e);
    bound = 1;
  }
  return (Value){e, fmax(bound, 0.5)};
}

/* ---- scalar expressions ----------------------------------------------------------------- */

static Value squash(Gen *r, Value v) { return (Value){ex1(r->g, P_tanh, v.e), 1}; }

static Value random_value(Gen *r, int depth);

static Expr *random_condition(Gen *r, int depth) {
  Graph *g = r->g;
  Prim p = (Prim[]){P_lt, P_le, P_eq, P_ne}[below(r, 4)];
  if (chance(r, 20)) {
    Known *k = pick(r, TY_BOOL);
    if (k) return read_of(r, k, 0).e;
  }
  if (depth > 0 && chance(r, 25)) {
    Expr *a = random_condition(r, depth - 1), *b = random_condition(r, depth - 1);
    return ex2(g, chance(r, 50) ? P_and : P_or, a, b);
  }
  if (!r->spec->smooth && chance(r, 40))
    return ex2(g, P_lt, random_value(r, 0).e, random_value(r, 0).e);
  return ex2(g, p, random_index(r, 4, 0), random_index(r, 4, 0));
}

static Value draw(Gen *r) {
  Graph *g = r->g;
  Expr *counter = ex_int(g, 0);
  for (int i = 0; i < r->nloops; i++)
    counter = ex2(g, P_add, ex2(g, P_mul, counter, ex_int(g, r->loops[i]->count)),
                  ex_loopvar(g, r->loops[i]));
  for (int k = 0; k < r->nvars; k++)
    counter = ex2(g, P_add, ex2(g, P_mul, counter, ex_int(g, r->extent[k])), ex_var(g, k));
  Expr *site = ex_int(g, (int64_t)(rand_next(&r->rng) >> 32));
  static const Prim reals[] = {P_normal, P_uniform, P_log_uniform, P_log_rest};
  if (chance(r, 20)) { /* below a constant, or a variable's value: 0 draws 0 */
    Expr *n = r->nvars && chance(r, 40) ? ex_var(g, 0) : ex_int(g, 1 + below(r, 40));
    return (Value){
        ex2(g, P_mul, ex_num(g, 0.125), ex1(g, P_real, ex3(g, P_pick, site, counter, n))), 5};
  }
  const Prim p = reals[below(r, 4)];
  if (p == P_normal || p == P_uniform)
    return (Value){ex2(g, p, site, counter), p == P_normal ? 6 : 1};
  return (Value){ex2(g, P_mul, ex_num(g, 0.125), ex2(g, p, site, counter)), 6};
}

static Value leaf(Gen *r) {
  Graph *g = r->g;
  int what = below(r, 10);
  if (what == 0) return (Value){ex_num(g, (below(r, 33) - 16) / 8.0), 2};
  if (what == 1 && r->nvars > 0) {
    int k = below(r, r->nvars);
    return (Value){ex2(g, P_mul, ex_num(g, 0.125), ex1(g, P_real, ex_var(g, k))), 2.125};
  }
  if (what == 2 && !r->spec->plain) return draw(r);
  if (what == 3) {
    Known *k = pick(r, TY_INT);
    if (k) return (Value){ex2(g, P_mul, ex_num(g, 0.125), ex1(g, P_real, read_of(r, k, 0).e)), 4};
  }
  Known *k = pick(r, TY_REAL);
  return k ? read_of(r, k, 1) : (Value){ex_num(g, 0.5), 0.5};
}

static Value unary(Gen *r, Value a) {
  Graph *g = r->g;
  Expr *square = ex2(g, P_mul, a.e, a.e);
  double b = a.bound;
  switch (below(r, r->spec->smooth ? 12 : 15)) {
  case 0: return (Value){ex1(g, P_neg, a.e), b};
  case 1: return b <= 2 ? (Value){ex1(g, P_exp, a.e), exp(b)} : squash(r, a);
  case 2: return (Value){ex1(g, P_log, ex2(g, P_add, square, ex_num(g, 0.5))), log(b * b + 1) + 1};
  case 3: return (Value){ex1(g, P_sqrt, ex2(g, P_add, square, ex_num(g, 0.25))), b + 0.5};
  case 4: return (Value){ex1(g, P_rsqrt, ex2(g, P_add, square, ex_num(g, 0.5))), 1.5};
  case 5: return (Value){ex1(g, P_sigmoid, a.e), 1};
  case 6: return (Value){ex1(g, P_erf, a.e), 1};
  case 7: return (Value){ex1(g, P_sin, a.e), 1};
  case 8: return (Value){ex1(g, P_cos, a.e), 1};
  case 9: return (Value){ex1(g, P_abs, a.e), b};
  case 10:
    return (Value){ex2(g, P_pow, ex2(g, P_add, square, ex_num(g, 0.5)), ex_num(g, 1.5)),
                   pow(b * b + 0.5, 1.5)};
  case 11: return squash(r, a);
  case 12: return (Value){ex1(g, P_floor, a.e), b + 1};
  case 13: return (Value){ex1(g, P_round, a.e), b + 1};
  default: return (Value){ex1(g, P_real, ex1(g, P_int, a.e)), b + 1};
  }
}

static Value random_value(Gen *r, int depth) {
  Graph *g = r->g;
  if (depth == 0 || chance(r, 15)) return leaf(r);
  Value a = random_value(r, depth - 1);
  if (a.bound > 8) a = squash(r, a);
  if (chance(r, 35)) return unary(r, a);
  Value b = random_value(r, depth - 1);
  if (b.bound > 8) b = squash(r, b);
  switch (below(r, 8)) {
  case 0: return (Value){ex2(g, P_sub, a.e, b.e), a.bound + b.bound};
  case 1:
  case 2: return (Value){ex2(g, P_mul, a.e, b.e), a.bound * b.bound};
  case 3:
    return (Value){ex2(g, P_div, a.e, ex2(g, P_add, ex2(g, P_mul, b.e, b.e), ex_num(g, 0.75))),
                   2 * a.bound};
  case 4:
    return (Value){ex3(g, P_select, random_condition(r, 1), a.e, b.e), fmax(a.bound, b.bound)};
  case 5: return (Value){ex2(g, chance(r, 50) ? P_min : P_max, a.e, b.e), fmax(a.bound, b.bound)};
  default: return (Value){ex2(g, P_add, a.e, b.e), a.bound + b.bound};
  }
}

static Value moderate(Gen *r, Value v, double most) { return v.bound > most ? squash(r, v) : v; }

/* ---- nodes --------------------------------------------------------------------------------- */

/* Output extents are given; chooses the reduced ones. */
static int random_reduced(Gen *r, int rank) {
  int64_t space = 1;
  for (int k = 0; k < rank; k++) space *= r->extent[k];
  int n = chance(r, 50) ? 0 : 1 + below(r, 2), made = 0;
  for (int k = 0; k < n; k++) {
    int64_t extent = chance(r, 10) ? 40 : random_extent(r);
    if (space * extent > SPACE_MAX) break;
    space *= extent;
    r->extent[rank + made++] = extent;
  }
  return made;
}

static Node *real_comp(Gen *r, int rank, const int64_t *shape, double most, double *bound) {
  Graph *g = r->g;
  for (int k = 0; k < rank; k++) r->extent[k] = shape[k];
  int nred = random_reduced(r, rank);
  r->nvars = rank + nred;
  Value v;
  if (nred > 0 && chance(r, 40)) { /* something like a contraction */
    Value a = moderate(r, leaf(r), 4), b = moderate(r, leaf(r), 4);
    v = (Value){ex2(g, P_mul, a.e, b.e), a.bound * b.bound};
  } else {
    v = random_value(r, 1 + below(r, 4));
  }
  v = moderate(r, v, most);
  Expr *guard = chance(r, 20) ? random_condition(r, 1) : NULL;
  Reducer red = RED_NONE;
  int64_t count = 1;
  for (int k = rank; k < r->nvars; k++) count *= r->extent[k];
  *bound = v.bound;
  if (nred > 0) {
    red = (Reducer[]){RED_SUM, RED_SUM, RED_SUM, RED_MAX, RED_MIN, RED_PROD}[below(r, 6)];
    if (red == RED_SUM) v.e = ex2(g, P_mul, v.e, ex_num(g, 1.0 / (double)count));
    if (red == RED_PROD) v = squash(r, v);
    if (red == RED_PROD) *bound = 1;
    if ((red == RED_MAX || red == RED_MIN) && guard) *bound = INFINITY;
    if (isinf(most) == 0 && isinf(*bound)) { /* must stay finite */
      guard = NULL;
      *bound = v.bound;
    }
  }
  Node *n = ir_comp(g, r->region, fresh(r, "y"), nowhere, rank, nred, r->extent, red, guard, v.e);
  r->made++;
  return n;
}

static int random_shape(Gen *r, int64_t *shape) {
  int rank = below(r, 4);
  int64_t space = 1;
  for (int k = 0; k < rank; k++) {
    shape[k] = random_extent(r);
    if (space * shape[k] > 600) shape[k] = 1;
    space *= shape[k];
  }
  return rank;
}

static void add_comp(Gen *r) {
  int64_t shape[IR_MAX_RANK];
  double bound;
  int rank = random_shape(r, shape);
  Node *n = real_comp(r, rank, shape, chance(r, 10) ? INFINITY : 8, &bound);
  if (chance(r, 50))
    for (int k = 0; k < n->rank; k++)
      n->axis[k] = intern(r->g->names, (const char *[]){"b", "l", "d", "k"}[below(r, 4)]);
  if (chance(r, 10)) n->save = chance(r, 50) ? SAVE_KEEP : SAVE_RECOMPUTE;
  if (chance(r, 30)) n->span = (Span){0, 1 + below(r, 50), 1 + below(r, 9), 60, 2};
  add(r, n, bound > 8 ? INFINITY : bound);
}

static void add_int(Gen *r) {
  Graph *g = r->g;
  int64_t shape[IR_MAX_RANK];
  int rank = random_shape(r, shape);
  for (int k = 0; k < rank; k++) r->extent[k] = shape[k];
  r->nvars = rank;
  Node *n;
  if (!r->spec->smooth && chance(r, 50)) {
    r->extent[rank] = random_extent(r);
    r->nvars = rank + 1;
    n = ir_comp(g, r->region, fresh(r, "best"), nowhere, rank, 1, r->extent, RED_ARGMAX,
                chance(r, 20) ? random_condition(r, 0) : NULL, random_value(r, 2).e);
  } else {
    Expr *e = ex2(g, P_mod, random_index(r, 5, 1), ex_int(g, 2 + below(r, 6)));
    if (chance(r, 30)) e = ex3(g, P_select, random_condition(r, 0), e, ex_int(g, below(r, 3)));
    n = ir_comp(g, r->region, fresh(r, "id"), nowhere, rank, 0, r->extent, RED_NONE, NULL, e);
  }
  r->made++;
  add(r, n, 8);
}

static void add_bool(Gen *r) {
  int64_t shape[IR_MAX_RANK];
  int rank = random_shape(r, shape), nred = below(r, 2);
  for (int k = 0; k < rank; k++) r->extent[k] = shape[k];
  r->extent[rank] = random_extent(r);
  r->nvars = rank + nred;
  Reducer red = nred == 0 ? RED_NONE : chance(r, 50) ? RED_MAX : RED_MIN;
  Node *n = ir_comp(r->g, r->region, fresh(r, "mask"), nowhere, rank, nred, r->extent, red, NULL,
                    random_condition(r, 1));
  r->made++;
  add(r, n, 1);
}

static void add_scatter(Gen *r) {
  Graph *g = r->g;
  int64_t shape[IR_MAX_RANK];
  int rank = 1 + below(r, 2);
  for (int k = 0; k < rank; k++) shape[k] = random_extent(r);
  r->nvars = 1 + below(r, 3);
  int64_t count = 1;
  for (int k = 0; k < r->nvars; k++) {
    r->extent[k] = random_extent(r);
    if (count * r->extent[k] > SPACE_MAX) r->extent[k] = 1;
    count *= r->extent[k];
  }
  Expr *index[IR_MAX_RANK], *guard = NULL;
  for (int k = 0; k < rank; k++) {
    index[k] = random_index(r, shape[k], 1);
    bound_index(r, index[k], shape[k], &guard);
  }
  Value v = moderate(r, random_value(r, 2), 8);
  v.e = ex2(g, P_mul, v.e, ex_num(g, 1.0 / (double)count));
  Node *n = ir_scatter(g, r->region, fresh(r, "s"), nowhere, rank, shape, r->nvars, r->extent,
                       index, guard, v.e);
  r->made++;
  add(r, n, v.bound);
}

static void add_pack(Gen *r) {
  Node *parts[3];
  int n = 0;
  double bound = 0;
  for (int i = 0; i < 3; i++) {
    Known *k = pick(r, TY_REAL);
    if (!k || isinf(k->bound)) continue;
    parts[n++] = k->node;
    bound = fmax(bound, k->bound);
  }
  if (n == 0) return;
  Node *pack = ir_pack(r->g, r->region, fresh(r, "pack"), parts, n, nowhere);
  add(r, pack, bound);
  int64_t shape[1] = {1 + below(r, (int)pack->shape[0])};
  int64_t offset = below(r, (int)(pack->shape[0] - shape[0] + 1));
  add(r, ir_view(r->g, r->region, fresh(r, "view"), pack, offset, 1, shape, nowhere), bound);
}

static void add_some(Gen *r);

enum { EMITS = 6 };

/* Of the newest values, those that a loop hands out. */
static int pick_emits(Gen *r, int outer, Known emits[EMITS]) {
  int n = 0, most = r->spec->mirror ? EMITS : 3;
  for (int i = r->npool - 1; i >= outer && n < most; i--)
    if (r->pool[i].node->rank < 5 && chance(r, r->spec->mirror ? 90 : 60)) emits[n++] = r->pool[i];
  return n;
}

/* A loop that reads an earlier one's stacks row by row, as a backward pass does. */
static void add_mirror(Gen *r, const Loop *first, Node *const *stacks, const Known *emits, int n) {
  Graph *g = r->g;
  Region *around = r->region;
  Loop *l = ir_loop(g, around, fresh(r, "j"), first->count, !first->reverse, nowhere);
  int outer = r->npool;
  r->region = l->body;
  r->loops[r->nloops++] = l;
  for (int i = 0; i < n; i++) {
    Expr *row[IR_MAX_RANK] = {ex_loopvar(g, l)};
    for (int k = 0; k + 1 < stacks[i]->rank; k++) row[k + 1] = ex_var(g, k);
    Node *x = ir_comp(g, l->body, fresh(r, "row"), nowhere, stacks[i]->rank - 1, 0,
                      stacks[i]->shape + 1, RED_NONE, NULL, ex_read(g, stacks[i], row));
    x->lo = emits[i].node->lo;
    x->hi = emits[i].node->hi;
    add(r, x, emits[i].bound);
  }
  for (int k = 1 + below(r, 3); k > 0; k--) add_some(r);
  Known out[EMITS];
  int nout = pick_emits(r, outer, out);
  r->nloops--;
  r->region = around;
  r->npool = outer;
  for (int i = 0; i < nout; i++) add(r, ir_stack(g, l, out[i].node), out[i].bound);
}

static void add_loop(Gen *r) {
  Graph *g = r->g;
  Loop *l = ir_loop(g, r->region, fresh(r, "i"), 1 + below(r, 4), chance(r, 40), nowhere);
  Region *around = r->region;
  int outer = r->npool, ncarries = 1 + below(r, 2), made = 0;
  double bound[2];
  for (int c = 0; c < ncarries; c++) {
    Known *init = pick(r, TY_REAL);
    if (!init || isinf(init->bound) || ir_count(init->node) > 200) continue;
    bound[made++] = fmax(init->bound, 1);
    Node *in = ir_carry(g, l, fresh(r, "h"), init->node);
    for (int k = 0; k < in->rank; k++) in->axis[k] = init->node->axis[k];
  }
  r->region = l->body;
  r->loops[r->nloops++] = l;
  for (int c = 0; c < made; c++) add(r, l->carries.at[c].in, bound[c]);
  for (int k = 1 + below(r, 3); k > 0; k--) add_some(r);
  for (int c = 0; c < made; c++) {
    double next;
    Node *in = l->carries.at[c].in;
    l->carries.at[c].next = chance(r, 8) ? in : real_comp(r, in->rank, in->shape, 1, &next);
  }
  Known emits[EMITS];
  Node *stacks[EMITS];
  int nemits = pick_emits(r, outer, emits);
  r->nloops--;
  r->region = around;
  r->npool = outer;
  for (int c = 0; c < made; c++)
    if (chance(r, 70)) add(r, ir_final(g, l, c), bound[c]);
  for (int i = 0; i < nemits; i++) stacks[i] = ir_stack(g, l, emits[i].node);
  if (r->spec->mirror && nemits > 0 && chance(r, 90)) {
    add_mirror(r, l, stacks, emits, nemits);
    if (chance(r, 70)) return; /* nobody else reads them */
  }
  for (int i = 0; i < nemits; i++) add(r, stacks[i], emits[i].bound);
}

/* Mostly elementwise over what there is; of the shapes that products want. */
static Node *chain_source(void *ctx, int rank, const int64_t *shape) {
  Gen *r = ctx;
  for (int k = 0; k < rank; k++) r->extent[k] = shape[k];
  r->nvars = rank;
  Value v = moderate(r, random_value(r, 1), 1);
  Expr *wave = ex_num(r->g, 0.3);
  for (int k = 0; k < rank; k++)
    wave = ex2(r->g, P_add, wave,
               ex2(r->g, P_mul, ex_num(r->g, 0.7 + k), ex1(r->g, P_real, ex_var(r->g, k))));
  Expr *body = ex2(r->g, P_add, ex2(r->g, P_mul, ex_num(r->g, 0.5), v.e),
                   ex2(r->g, P_mul, ex_num(r->g, 0.5), ex1(r->g, P_sin, wave)));
  Node *n =
      ir_comp(r->g, r->region, fresh(r, "c"), nowhere, rank, 0, r->extent, RED_NONE, NULL, body);
  r->made++;
  return n;
}

static void chain_made(void *ctx, Node *n, double bound) { add(ctx, n, bound); }

static void add_chain(Gen *r) {
  RandChain chain = {r->g, r->region, &r->rng, r, chain_source, chain_made};
  randchain(&chain);
  r->made += 6;
}

static void add_some(Gen *r) {
  if (r->spec->chains && chance(r, 20)) {
    add_chain(r);
    return;
  }
  if (r->spec->mirror && r->nloops == 0 && chance(r, 12)) {
    add_loop(r);
    return;
  }
  int what = below(r, 100);
  if (what < 60)
    add_comp(r);
  else if (what < 70 && !r->spec->plain)
    add_int(r);
  else if (what < 75)
    add_bool(r);
  else if (what < 83)
    add_scatter(r);
  else if (what < 88)
    add_pack(r);
  else if (r->nloops < LOOPS_MAX)
    add_loop(r);
  else
    add_comp(r);
}

/* ---- the whole -------------------------------------------------------------------- */

static void add_sources(Gen *r) {
  Graph *g = r->g;
  static const int64_t shapes[4][3] = {{4, 8, 0}, {8, 5, 3}, {17, 0, 0}, {1, 7, 0}};
  static const int ranks[4] = {2, 3, 1, 2};
  for (int i = 0; i < 4; i++)
    add(r, ir_input(g, fresh(r, "x"), TY_REAL, ranks[i], shapes[i], 0, 0, nowhere), 1);
  Node *flat = ir_state(g, "params", TY_REAL, 1, (int64_t[]){120}, nowhere);
  add(r, ir_view(g, g->top, "w", flat, 8, 3, (int64_t[]){4, 4, 5}, nowhere), 1);
  add(r, ir_view(g, g->top, "b", flat, 100, 1, (int64_t[]){8}, nowhere), 1);
  double *table = NEWN(g->arena, double, 8);
  for (int i = 0; i < 8; i++) table[i] = (below(r, 17) - 8) / 8.0;
  add(r, ir_const(g, g->top, "table", TY_REAL, 1, (int64_t[]){8}, table, nowhere), 1);
  if (r->spec->plain) return;
  add(r, ir_input(g, "ids", TY_INT, 2, (int64_t[]){4, 8}, 0, 6, nowhere), 8);
  g->step = ir_input(g, "step", TY_INT, 0, NULL, 0, INT32_MAX, nowhere);
}

static bool is_output(const Gen *r, const Node *n, bool last) {
  uint64_t h = r->spec->seed ^ (uint64_t)n->id * UINT64_C(0x51ed270b);
  return last || rand_next(&h) % 3 == 0;
}

static void add_ends(Gen *r, int sources) {
  Graph *g = r->g;
  VEC(Node *) nodes = {0};
  for (int i = sources; i < r->npool; i++) {
    if (is_output(r, r->pool[i].node, i == r->npool - 1))
      vec_push(g->arena, &nodes, r->pool[i].node);
    if (r->pool[i].node->type == TY_REAL && ir_count(r->pool[i].node) == 120 && g->updates.n == 0) {
      Update u = {g->top->nodes.at[4], r->pool[i].node};
      if (u.state->kind == N_STATE && r->pool[i].node->rank == 1)
        vec_push(g->arena, &g->updates, u);
    }
  }
  if (g->updates.n == 0) { /* params := 0.5 params + something */
    Node *flat = g->top->nodes.at[4];
    Expr *half = ex2(g, P_mul, ex_num(g, 0.5), ir_read_all(g, flat));
    Update u = {
        flat, ir_comp(g, g->top, "params.next", nowhere, 1, 0, flat->shape, RED_NONE, NULL, half)};
    vec_push(g->arena, &g->updates, u);
  }
  for (int i = 0; i < nodes.n; i++) {
    if (r->spec->only >= 0 && i != r->spec->only) continue;
    Output o = {intern(g->names, arena_printf(g->arena, "o%d", i)), nodes.at[i]};
    vec_push(g->arena, &g->outputs, o);
  }
  if (r->spec->only >= 0) {
    g->updates.n = 0;
    ir_prune(g);
  }
}

Graph *randgraph_new(Arena *a, Interner *names, const RandSpec *spec) {
  Gen *r = NEW(a, Gen);
  r->g = graph_new(a, names, "random");
  r->spec = spec;
  r->rng = spec->seed * UINT64_C(0x2545f4914f6cdd1d) + 1;
  r->region = r->g->top;
  add_sources(r);
  int sources = r->npool;
  while (r->made < spec->size) add_some(r);
  add_ends(r, sources);
  return r->g;
}

void randgraph_fill(Eval *ev, Graph *g, uint64_t seed) {
  uint64_t rng = seed + 77;
  for (int i = 0; i < g->nodes.n; i++) {
    Node *n = g->nodes.at[i];
    if (n->kind != N_INPUT && n->kind != N_STATE) continue;
    double *x = eval_bind(ev, n);
    int64_t count = ir_count(n),
            range = n->type == TY_INT && n->hi - n->lo < 1000 ? n->hi - n->lo + 1 : 1000;
    for (int64_t k = 0; k < count; k++) {
      if (n->type == TY_REAL)
        x[k] = (rand_below(&rng, 129) - 64) / 64.0;
      else if (n->type == TY_INT)
        x[k] = (double)(n->lo + rand_below(&rng, (int)range));
      else
        x[k] = rand_below(&rng, 2);
    }
  }
}

RandSpec randgraph_shrink(RandSpec spec, RandFails *fails, void *ctx) {
  for (int size = 1; size < spec.size; size++) {
    RandSpec smaller = spec;
    smaller.size = size;
    if (fails(&smaller, ctx)) {
      spec = smaller;
      break;
    }
  }
  for (int only = 0; only < spec.size + 8 && spec.only < 0; only++) {
    RandSpec single = spec;
    single.only = only;
    if (fails(&single, ctx)) return single;
  }
  return spec;
}
