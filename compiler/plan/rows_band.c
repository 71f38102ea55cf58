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
 *     z[l] = sum over m | m < 4 or abs(l - m) <= 3 (x[m])   over both, one after the other
 *
 * A map among them that is read nowhere else is made where they need it; a sum of what it is, of
 * which a condition makes 0, has that condition.
 *
 *     e[l, m] = m <= l ? exp(s[l, m]) : 0         one nest: both over 0 .. l
 *     z[l] = sum over m (e[l, m])
 *
 * What ends read is stored, or a value of the row that an earlier nest has found. */
#include "compiler/plan/rows.h"

/* A map of the nest, if `e` is what it is at this very place. */
static const Item *map_at(const Item *first, const Item *last, const Expr *e) {
  for (const Item *it = first; it <= last; it++)
    if (it->form == FORM_MAP && it->self == e) return it;
  return NULL;
}

/* Where e can be other than 0, as far as its form and the maps' tell; NULL: everywhere. */
static Expr *not_zero(Graph *g, const Item *first, const Item *last, Expr *e) {
  const Item *map = map_at(first, last, e);
  if (map) return ex_and(g, map->guard, not_zero(g, first, last, map->body));
  if (ex_is_zero(e)) return ex_bool(g, false);
  if (!ex_is_prim(e, P_select)) return NULL;
  Expr *a = not_zero(g, first, last, e->args[1]), *b = not_zero(g, first, last, e->args[2]);
  if (ex_is_zero(e->args[2])) return ex_and(g, e->args[0], a);
  if (!a && !b) return NULL;
  return ex3(g, P_select, e->args[0], a ? a : ex_bool(g, true), b ? b : ex_bool(g, true));
}

/* The condition under which the item adds something. */
static Expr *condition_of(Graph *g, const Item *it, const Item *first, const Item *last) {
  if (it->node->reducer != RED_SUM) return it->guard;
  return ex_and(g, it->guard, not_zero(g, first, last, it->body));
}

/* Is it a map of which only the nest itself knows? */
static bool is_inside(const Item *it) {
  return it->form == FORM_MAP && !it->member->stored && !it->member->accumulates && !it->array;
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
  Band all = {.n = 0};
  bool any = false;
  for (Item *it = first; it <= last; it++) {
    if (is_inside(it)) continue;
    if (!reduces(it, loop)) return;
    Expr *cond = condition_of(p->g, it, first, last);
    all = band_join(p->g, all, band_of(p->g, cond, &space), &space);
    any = true;
  }
  if (!any) return;
  all = band_worth(p->g, all, &space, p->target->rows.band_between);
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
