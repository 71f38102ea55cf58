/* SPDX-License-Identifier: MIT */
/* Loops of a row kernel that run over a window: where the conditions of all that a nest reduces
 * hold nowhere outside of it. What is left out would have added nothing.
 *
 * needs       the nests of the rows, with their final variables (rows.c)
 * guarantees  Item.cut, the same in all items of a nest; conditions stay where they are
 *
 *     y[l] = sum over m | abs(l - m) <= 3 (x[m])    ->  row l: loop m from max(l - 3, 0) to
 *                                                       min(l + 4, extent)
 *     y[b] = sum over m | m < length[b] (x[b, m])       from 0 to min(length[b], extent)
 *
 * What ends read is stored, or a value of the row that an earlier nest has found. */
#include "compiler/plan/rows.h"

/* The condition under which the item adds something, as far as its form tells. */
static Expr *condition_of(Graph *g, const Item *it) {
  Expr *cond = it->guard, *body = it->body;
  while (it->node->reducer == RED_SUM && ex_is_prim(body, P_select) && ex_is_zero(body->args[2])) {
    cond = ex_and(g, cond, body->args[0]);
    body = body->args[1];
  }
  return cond;
}

static bool reduces(const Item *it, int loop) {
  return it->form != FORM_MAP && loop >= it->nout && it->node->reducer != RED_NONE;
}

static int64_t longest(const RowPlan *r, const Item *it, int64_t *extent) {
  for (int k = 0; k < r->nrows; k++) extent[k] = r->row_extent[k];
  for (int k = 0; k < it->nloops; k++) extent[r->nrows + k] = it->extent[k];
  return r->nrows + it->nloops;
}

typedef struct Reading {
  Plan *p;
  const RowPlan *r;
  const BandSpace *space;
  const Item *nest; /* in front of its loops */
} Reading;

/* Is it there before the nest, and in bounds whatever the conditions around it say? */
static bool may_read(Expr *read, const void *ctx) {
  const Reading *x = ctx;
  for (int i = 0; i < x->r->nitems; i++) {
    const Item *it = &x->r->items[i];
    if (it->node != read->node) continue;
    const bool of_row = it->nloops == 0 || it->form == FORM_REDUCE;
    return of_row && it->nest < x->nest->nest && it->self == read;
  }
  return x->r->in_bounds || ex_reads_in_range(x->p->g, read, x->space->extent, x->space->nvars);
}

/* Of one loop of a nest: what all of its items need. */
static void cut_loop(Plan *p, RowPlan *r, Item *first, Item *last, int loop) {
  int64_t extent[IR_MAX_VARS];
  BandSpace space = {.extent = extent, .nvars = (int)longest(r, first, extent)};
  space.var = r->nrows + loop;
  space.known = (uint32_t)((1ull << space.var) - 1); /* rows, and the loops around it */
  Reading reading = {p, r, &space, first};
  space.may_read = may_read;
  space.ctx = &reading;
  Band all = {.never = true};
  for (Item *it = first; it <= last; it++) {
    if (!reduces(it, loop)) return;
    all = band_hull(p->g, all, band_of(p->g, condition_of(p->g, it), &space));
  }
  double share = band_share(p->g, &all, &space);
  if (share > p->target->rows.band_most) return;
  Band *cut = NEW(p->arena, Band);
  *cut = band_clamped(p->g, all, &space);
  for (Item *it = first; it <= last; it++) {
    it->cut[loop] = cut;
    it->share *= share;
  }
}

void rows_find_bands(Plan *p, RowPlan *r) {
  for (int i = 0; i < r->nitems && p->target->rows.band_most > 0;) {
    int last = i;
    while (last + 1 < r->nitems && r->items[last + 1].nest == r->items[i].nest) last++;
    for (int k = 0; k < r->items[i].nloops; k++) cut_loop(p, r, &r->items[i], &r->items[last], k);
    i = last + 1;
  }
}
