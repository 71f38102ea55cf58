/* SPDX-License-Identifier: MIT */
/* What conditions leave of a product: for a row of A, or a column of B, the steps of k at which
 * its condition can hold; for a row of the result, the columns at which the product's own can.
 * What is outside adds nothing, or is 0 whatever the sum, so a kernel need not look at it.
 *
 *     y[i, j] = sum over k | k <= i (a[i, k] x[k, j])     row i: k in 0 .. i
 *     dx[k, j] = sum over i | k <= i (a[i, k] dy[i, j])   row k: steps k .. of i
 *     da[i, k] = k <= i ? sum over j (dy[i, j] x[k, j]) : 0    row i: columns 0 .. i
 *
 *     z[b, i, j] = sum over k | k < n[b] (a[b, i, k] x[b, k, j])   n is no part of the product
 *     k < 4 or k <= i < k + 64                            row i: k in 0 .. 3, and i - 63 .. i
 *
 * A window is one of the axis's outermost variable, so that it is one of flat places too. */
#include "compiler/plan/product.h"

/* The outermost variable of an axis, of more than one place, and how many of the flat ones each
 * of its own is; -1: none. */
static int outermost(const Contraction *c, const Node *n, GemmAxisKind kind, int64_t *inner) {
  *inner = c->extent[kind];
  for (int v = 0; v < c->nvars[kind]; v++) {
    const int var = c->var[kind][v];
    *inner /= n->extent[var];
    if (n->extent[var] > 1) return var;
  }
  return -1;
}

static uint32_t variables(const Contraction *c, GemmAxisKind kind) {
  uint32_t vars = 0;
  for (int v = 0; v < c->nvars[kind]; v++) vars |= 1u << c->var[kind][v];
  return vars;
}

typedef struct Reading {
  Plan *p;
  const Group *g;
  const BandSpace *space;
} Reading;

/* Ends are found before anything is multiplied. */
static bool may_read(Expr *read, const void *ctx) {
  const Reading *x = ctx;
  return !member_of(x->g, read->node) &&
         ex_reads_in_range(x->p->g, read, x->space->extent, x->space->nvars);
}

/* Places along `kind` for one of `of`, and the batch. */
static void find(Plan *p, const Group *g, Expr *cond, GemmAxisKind kind, GemmAxisKind of,
                 ProductBand *out) {
  const Contraction *c = g->contraction;
  const Node *n = g->members.at[0].node;
  const TargetProducts *t = &p->target->products;
  int64_t inner;
  BandSpace space = {.extent = n->extent, .nvars = n->nvars, .var = outermost(c, n, kind, &inner)};
  *out = (ProductBand){.share = 1, .extent = c->extent[kind]};
  if (!cond || space.var < 0 || c->extent[kind] < t->band_least) return;
  space.known = variables(c, GEMM_BATCH) | variables(c, of);
  Reading reading = {p, g, &space};
  space.may_read = may_read;
  space.ctx = &reading;
  Band band = band_of(p->g, cond, &space);
  if (band_is_all(&band)) return;
  band = band_worth(p->g, band, &space, t->band_between);
  double share = band_share(p->g, &band, &space);
  if (share > t->band_most) return;
  band = band_clamped(p->g, band, &space);
  for (int i = 0; i < band.n; i++) {
    BandWindow *w = &band.at[i];
    if (w->lo) w->lo = ex2(p->g, P_mul, w->lo, ex_int(p->g, inner));
    if (w->hi) w->hi = ex2(p->g, P_mul, w->hi, ex_int(p->g, inner));
  }
  *out = (ProductBand){.any = true, .flat = band, .extent = c->extent[kind], .share = share};
}

/* Are its places packed once for all taps? Tiles of these take all steps of k. */
static bool takes_places(Plan *p, const Group *g) {
  GemmMoves moves;
  Expr *read;
  Linear base;
  return (p->rounds || product_split(p, g)) &&
         (product_moves(p, g->members.at[0].node, g->contraction, &moves, &read, &base) ||
          product_turned(p, g->members.at[0].node, g->contraction, &moves, &read, &base));
}

ProductBands product_bands(Plan *p, const Group *g) {
  const Contraction *c = g->contraction;
  ProductBands b = {.share = 1};
  if (p->target->products.band_most <= 0 || takes_places(p, g)) return b;
  for (int side = 0; side < 2; side++) {
    find(p, g, c->where[side], GEMM_K, gemm_outer((GemmSide)side), &b.k[side]);
    b.share *= b.k[side].share;
  }
  find(p, g, c->condition, GEMM_N, GEMM_M, &b.columns);
  b.share *= b.columns.share;
  return b;
}
