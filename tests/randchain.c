/* SPDX-License-Identifier: MIT */
/* See randchain.h. Rows b, h, l; columns s; width e. Everything is scaled so that
 * sums stay below 4. */
#include "tests/randchain.h"

#include <string.h>

#include "tests/randgraph.h"

static const Span nowhere;

typedef struct Sizes {
  int64_t b, h, l, s, e;
  bool shared;
} Sizes; /* shared: keys without heads */

static bool chance(RandChain *r, int percent) { return rand_below(r->rng, 100) < percent; }

#define EXTENTS(...) \
  (const int64_t[]) { __VA_ARGS__ }

static Expr *at(RandChain *r, Node *n, const char *vars) {
  Expr *index[IR_MAX_RANK];
  for (int i = 0; i < n->rank; i++) index[i] = ex_var(r->g, vars[i] - '0');
  return ex_read(r->g, n, index);
}

static Expr *mul(RandChain *r, Expr *a, Expr *b) { return ex2(r->g, P_mul, a, b); }
static Expr *num(RandChain *r, double x) { return ex_num(r->g, x); }

static Node *comp(RandChain *r, const char *name, int rank, int nred, const int64_t *extent,
                  Reducer red, Expr *guard, Expr *body) {
  return ir_comp(r->g, r->region, name, nowhere, rank, nred, extent, red, guard, body);
}

static Node *queries(RandChain *r, const Sizes *z) {
  return r->source(r->ctx, 4, EXTENTS(z->b, z->l, z->h, z->e));
}

static Node *keys(RandChain *r, const Sizes *z) {
  return z->shared ? r->source(r->ctx, 3, EXTENTS(z->b, z->s, z->e))
                   : r->source(r->ctx, 4, EXTENTS(z->b, z->s, z->h, z->e));
}

static const int64_t *space(const Sizes *z, int64_t *out) {
  memcpy(out, EXTENTS(z->b, z->h, z->l, z->s), 4 * sizeof *out);
  return out;
}

/* score[b, h, l, s], or a product of something else with the same form */
static Node *scores(RandChain *r, const Sizes *z, Node *q, Node *k) {
  Expr *body = mul(r, at(r, q, "0214"), at(r, k, z->shared ? "034" : "0314"));
  if (chance(r, 60))
    body = mul(r, num(r, 1.0 / (double)z->e), body);
  else
    body = ex2(r->g, P_div, body, num(r, (double)z->e));
  Expr *guard = chance(r, 15) ? ex2(r->g, P_lt, ex_var(r->g, 4), ex_int(r->g, z->e - 1)) : NULL;
  return comp(r, "score", 4, 1, EXTENTS(z->b, z->h, z->l, z->s, z->e), RED_SUM, guard, body);
}

/* Something elementwise on wide values. */
static Node *changed(RandChain *r, const Sizes *z, Node *x) {
  int64_t extent[4];
  Graph *g = r->g;
  Expr *value = at(r, x, "0123"), *guard = NULL;
  switch (rand_below(r->rng, 5)) {
  case 0:
    value = ex2(g, P_add, mul(r, num(r, 0.5), value),
                mul(r, num(r, 0.5), at(r, r->source(r->ctx, 2, EXTENTS(z->l, z->s)), "23")));
    break;
  case 1: value = ex1(g, P_tanh, value); break;
  case 2: guard = ex2(g, P_le, ex_var(g, 3), ex2(g, P_add, ex_var(g, 2), ex_int(g, 2))); break;
  case 3: value = mul(r, value, at(r, r->source(r->ctx, 2, EXTENTS(z->b, z->h)), "01")); break;
  default: {
    Expr *count = ex2(g, P_add, ex2(g, P_mul, ex_int(g, z->s), ex_var(g, 2)), ex_var(g, 3));
    value = mul(r, value, ex2(g, P_uniform, ex_int(g, 5), count));
  }
  }
  return comp(r, "changed", 4, 0, space(z, extent), RED_NONE, guard, value);
}

/* Of column 3 around row 2: causal, to both sides, by blocks, or what leaves rows with nothing. */
static Expr *window(RandChain *r) {
  Graph *g = r->g;
  Expr *row = ex_var(g, 2), *column = ex_var(g, 3), *near = ex_int(g, 1 + rand_below(r->rng, 9));
  switch (rand_below(r->rng, 5)) {
  case 0: return ex2(g, P_le, column, row);
  case 1:
    return ex2(g, P_and, ex2(g, P_le, column, row), ex2(g, P_lt, ex2(g, P_sub, row, column), near));
  case 2: return ex2(g, P_le, ex1(g, P_abs, ex2(g, P_sub, row, column)), near);
  case 3: return ex2(g, P_le, ex2(g, P_div, column, near), ex2(g, P_div, row, near));
  default: return ex2(g, P_lt, ex2(g, P_add, row, near), column);
  }
}

static Node *weights(RandChain *r, const Sizes *z, Node *x) {
  int64_t e[4];
  Graph *g = r->g;
  Expr *guard = chance(r, 40) ? window(r) : NULL;
  if (chance(r, 25)) /* no reduction at all */
    return comp(r, "square", 4, 0, space(z, e), RED_NONE, guard,
                mul(r, at(r, x, "0123"), mul(r, num(r, 0.1), at(r, x, "0123"))));
  Node *m = comp(r, "max", 3, 1, space(z, e), RED_MAX, guard, at(r, x, "0123"));
  Node *p = comp(r, "exp", 4, 0, space(z, e), RED_NONE, guard,
                 ex1(g, P_exp, ex2(g, P_sub, at(r, x, "0123"), at(r, m, "012"))));
  Node *n = comp(r, "sum", 3, 1, space(z, e), RED_SUM, NULL, at(r, p, "0123"));
  return comp(r, "p", 4, 0, space(z, e), RED_NONE, NULL,
              ex2(g, P_div, at(r, p, "0123"), at(r, n, "012")));
}

static Node *values(RandChain *r, const Sizes *z, Node *p, Node *v) {
  Expr *body = mul(r, at(r, p, "0214"), at(r, v, z->shared ? "043" : "0423"));
  if (chance(r, 30))
    body = mul(r, body, at(r, r->source(r->ctx, 3, EXTENTS(z->b, z->h, z->l)), "021"));
  return comp(r, "y", 4, 1, EXTENTS(z->b, z->l, z->h, z->e, z->s), RED_SUM, NULL,
              mul(r, num(r, 0.2), body));
}

/* What a gradient does: a second product into the rows, and sums over them. */
static void gradients(RandChain *r, const Sizes *z, Node *p, Node *q, Node *k, Node *v) {
  int64_t e[4];
  Node *dy = queries(r, z), *dp = scores(r, z, dy, v);
  Node *t =
      comp(r, "t", 3, 1, space(z, e), RED_SUM, NULL, mul(r, at(r, p, "0123"), at(r, dp, "0123")));
  Node *ds = comp(r, "ds", 4, 0, space(z, e), RED_NONE, NULL,
                  mul(r, at(r, p, "0123"),
                      ex2(r->g, P_sub, at(r, dp, "0123"), mul(r, num(r, 0.1), at(r, t, "012")))));
  r->made(r->ctx, values(r, z, ds, k), 16);
  if (chance(r, 80)) { /* to keys; without heads the sum is over those too */
    const int64_t *own =
        z->shared ? EXTENTS(z->b, z->s, z->e, z->h, z->l) : EXTENTS(z->b, z->s, z->h, z->e, z->l);
    Expr *wide = at(r, ds, z->shared ? "0341" : "0241"),
         *other = at(r, q, z->shared ? "0432" : "0423");
    r->made(r->ctx,
            comp(r, "dk", z->shared ? 3 : 4, z->shared ? 2 : 1, own, RED_SUM, NULL,
                 mul(r, num(r, 0.1), mul(r, wide, other))),
            16);
  }
  if (chance(r, 50) && !z->shared) /* turned */
    r->made(r->ctx,
            comp(r, "dv", 4, 1, EXTENTS(z->b, z->h, z->e, z->s, z->l), RED_SUM, NULL,
                 mul(r, num(r, 0.1), mul(r, at(r, p, "0143"), at(r, dy, "0412")))),
            16);
}

void randchain(RandChain *r) {
  const int64_t ls[] = {28, 29, 33, 40}, ss[] = {24, 31, 33, 40}, es[] = {13, 16, 19};
  Sizes z = {.b = 1 + rand_below(r->rng, 3),
             .h = 2 + rand_below(r->rng, 2),
             .l = ls[rand_below(r->rng, 4)],
             .s = ss[rand_below(r->rng, 4)],
             .e = es[rand_below(r->rng, 3)],
             .shared = chance(r, 25)};
  if (z.b * z.h < 4) z.b = 4;
  Node *q = queries(r, &z), *k = keys(r, &z), *v = chance(r, 30) ? k : keys(r, &z);
  Node *x = scores(r, &z, q, k);
  if (chance(r, 60)) x = changed(r, &z, x);
  Node *p = weights(r, &z, x);
  if (chance(r, 40)) p = changed(r, &z, p);
  r->made(r->ctx, values(r, &z, p, v), 16);
  if (chance(r, 20)) r->made(r->ctx, p, 16);
  if (chance(r, 50)) gradients(r, &z, p, q, k, v);
}
