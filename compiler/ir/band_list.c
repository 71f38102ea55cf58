/* SPDX-License-Identifier: MIT */
/* Lists of windows: what is in one of two lists, or in both, the share of all places that they
 * hold, and ends within the extent. Windows that are found to leave no place between them become
 * one, and so do those that leave least where they are too many:
 *
 *     0 .. l and l .. l + 3      ->  0 .. l + 3
 *     0 .. 3 and l - 3 .. l + 3      stay two, which share places for some l */
#include "compiler/ir/band.h"
#include "compiler/ir/ir.h"

enum { SAMPLES = 64 }; /* places of a share */

static const Band everything = {.n = 1};
static const Band nothing = {.n = 0};

static bool is_whole(const BandWindow *w) { return !w->lo && !w->hi; }

bool band_is_all(const Band *b) { return b->n == 1 && is_whole(&b->at[0]); }

static Expr *start_of(Graph *g, const BandWindow *w) { return w->lo ? w->lo : ex_int(g, 0); }

static Expr *end_of(Graph *g, const BandWindow *w, const BandSpace *s) {
  return w->hi ? w->hi : ex_int(g, s->extent[s->var]);
}

/* a <= b, whatever variables and data are? */
static bool never_more(Graph *g, Expr *a, Expr *b, const BandSpace *s) {
  int64_t lo, hi;
  return ex_interval(g, ex2(g, P_sub, a, b), s->extent, s->nvars, &lo, &hi) && hi <= 0;
}

/* Plainly one of both, where that is found, so that others are compared with it. */
static Expr *least(Graph *g, Expr *a, Expr *b, const BandSpace *s) {
  return never_more(g, a, b, s) ? a : never_more(g, b, a, s) ? b : ex2(g, P_min, a, b);
}

static Expr *most(Graph *g, Expr *a, Expr *b, const BandSpace *s) {
  return never_more(g, a, b, s) ? b : never_more(g, b, a, s) ? a : ex2(g, P_max, a, b);
}

static BandWindow hull(Graph *g, BandWindow a, BandWindow b, const BandSpace *s) {
  return (BandWindow){.lo = a.lo && b.lo ? least(g, a.lo, b.lo, s) : NULL,
                      .hi = a.hi && b.hi ? most(g, a.hi, b.hi, s) : NULL};
}

/* Is there never a place between them? Then nothing is in their hull but what is in one of them,
 * also where one is empty. */
static bool is_one(Graph *g, const BandWindow *a, const BandWindow *b, const BandSpace *s) {
  return a->lo == b->lo || a->hi == b->hi ||
         (never_more(g, start_of(g, b), end_of(g, a, s), s) &&
          never_more(g, start_of(g, a), end_of(g, b, s), s));
}

static double share_of(Graph *g, const Band *b, const BandSpace *s, int64_t samples);

static BandWindow take_out(Band *b, int i) {
  BandWindow w = b->at[i];
  b->n--;
  for (; i < b->n; i++) b->at[i] = b->at[i + 1];
  return w;
}

/* The two of all windows and w that leave least between them become one. */
static Band add_to_full(Graph *g, Band b, BandWindow w, const BandSpace *s) {
  enum { FEW = 8 };
  double fewest = 2;
  int first = 0, second = 0;
  for (int i = 0; i < b.n; i++)
    for (int k = i + 1; k <= b.n; k++) {
      Band two = {.n = 2, .at = {b.at[i], k < b.n ? b.at[k] : w}};
      Band one = {.n = 1, .at = {hull(g, two.at[0], two.at[1], s)}};
      double between = share_of(g, &one, s, FEW) - share_of(g, &two, s, FEW);
      if (between >= fewest) continue;
      fewest = between;
      first = i;
      second = k;
    }
  if (second == b.n) {
    b.at[first] = hull(g, b.at[first], w, s);
  } else {
    BandWindow x = take_out(&b, second);
    b.at[first] = hull(g, b.at[first], x, s);
    b.at[b.n++] = w;
  }
  return is_whole(&b.at[first]) ? everything : b;
}

static Band add(Graph *g, Band b, BandWindow w, const BandSpace *s) {
  if (never_more(g, end_of(g, &w, s), start_of(g, &w), s)) return b;
  for (int i = 0; i < b.n; i++) {
    if (is_whole(&b.at[i])) return everything;
    if (!is_one(g, &b.at[i], &w, s)) continue;
    w = hull(g, take_out(&b, i), w, s);
    i = -1;
  }
  if (is_whole(&w)) return everything;
  if (b.n == BAND_WINDOWS) return add_to_full(g, b, w, s);
  b.at[b.n++] = w;
  return b;
}

Band band_join(Graph *g, Band a, Band b, const BandSpace *s) {
  for (int i = 0; i < b.n; i++) a = add(g, a, b.at[i], s);
  return a;
}

Band band_meet(Graph *g, Band a, Band b, const BandSpace *s) {
  Band all = nothing;
  for (int i = 0; i < a.n; i++)
    for (int k = 0; k < b.n; k++) {
      const BandWindow x = a.at[i], y = b.at[k];
      BandWindow w = {.lo = !x.lo || !y.lo ? (x.lo ? x.lo : y.lo) : most(g, x.lo, y.lo, s),
                      .hi = !x.hi || !y.hi ? (x.hi ? x.hi : y.hi) : least(g, x.hi, y.hi, s)};
      all = add(g, all, w, s);
    }
  return all;
}

/* ---- the ends ---------------------------------------------------------------------------- */

Band band_clamped(Graph *g, Band b, const BandSpace *s) {
  const int64_t extent = s->extent[s->var];
  Expr *zero = ex_int(g, 0), *end = ex_int(g, extent);
  if (b.n == 0) return (Band){.n = 1, .at = {{NULL, zero}}};
  for (int i = 0; i < 2 * b.n; i++) {
    BandWindow *w = &b.at[i / 2];
    Expr **e = i % 2 ? &w->hi : &w->lo;
    int64_t lo, hi;
    if (!*e) continue;
    bool near = ex_interval(g, *e, s->extent, s->nvars, &lo, &hi);
    if (!near || lo < 0) *e = ex2(g, P_max, *e, zero);
    if (!near || hi > extent) *e = ex2(g, P_min, *e, end);
    if (*e == (i % 2 ? end : zero)) *e = NULL;
  }
  return b;
}

uint32_t band_vars(const Band *b) {
  uint32_t vars = 0;
  for (int i = 0; i < b->n; i++)
    vars |= (b->at[i].lo ? b->at[i].lo->vars : 0) | (b->at[i].hi ? b->at[i].hi->vars : 0);
  return vars;
}

bool band_reads(const Band *b) {
  bool any = false;
  for (int i = 0; i < b->n; i++)
    any = any || (b->at[i].lo && b->at[i].lo->reads) || (b->at[i].hi && b->at[i].hi->reads);
  return any;
}

typedef struct Sample {
  Graph *g;
  int64_t extent;
  int64_t number;
} Sample;

/* Some value that data may have, within 0 .. extent as far as they do. */
static Expr *sampled(Graph *g, Expr *e, void *ctx) {
  const Sample *s = ctx;
  if (e->kind != E_READ) return e;
  const int64_t of = 1 << 16, at = ((s->number + 1) * 40503 + e->node->id * 25033ll) % of;
  if (e->type == TY_BOOL) return ex_bool(g, at >= of / 2);
  int64_t lo = 0, hi = s->extent;
  if (e->type == TY_INT) {
    if (lo < e->node->lo) lo = e->node->lo;
    if (hi > e->node->hi) hi = e->node->hi;
    if (lo > hi) lo = hi = e->node->lo > s->extent ? e->node->lo : e->node->hi;
  }
  int64_t x = lo + (int64_t)((double)(hi - lo + 1) * (double)at / (double)of);
  return e->type == TY_INT ? ex_int(g, x) : ex_num(g, (double)x);
}

static Expr *at_sample(Sample *s, Expr *e, Expr *const *map, int nvars) {
  if (!e) return NULL;
  const bool reads = e->reads;
  e = ex_subst(s->g, e, map, nvars);
  return reads ? ex_map(s->g, e, sampled, s) : e;
}

/* Places in some of the windows, at a sample; -1: not known. */
static int64_t places_at(Sample *sample, const Band *c, Expr *const *map, int nvars) {
  int64_t from[BAND_WINDOWS], to[BAND_WINDOWS], inside = 0, last = 0;
  for (int i = 0; i < c->n; i++) {
    Expr *lo = at_sample(sample, c->at[i].lo, map, nvars),
         *hi = at_sample(sample, c->at[i].hi, map, nvars);
    if ((lo && lo->kind != E_INT) || (hi && hi->kind != E_INT)) return -1;
    from[i] = lo ? lo->inum : 0;
    to[i] = hi ? hi->inum : sample->extent;
    int at = i;
    for (; at > 0 && from[at - 1] > from[at]; at--) {
      int64_t f = from[at], t = to[at];
      from[at] = from[at - 1], to[at] = to[at - 1];
      from[at - 1] = f, to[at - 1] = t;
    }
  }
  for (int i = 0; i < c->n; i++) {
    if (from[i] < last) from[i] = last;
    if (from[i] >= to[i]) continue;
    inside += to[i] - from[i];
    last = to[i];
  }
  return inside;
}

static double share_of(Graph *g, const Band *b, const BandSpace *s, int64_t samples) {
  const int64_t extent = s->extent[s->var];
  Band c = band_clamped(g, *b, s);
  if (band_is_all(&c) || extent == 0) return 1;
  const uint32_t vars = band_vars(&c);
  const bool reads = band_reads(&c);
  int64_t places = 1;
  for (int v = 0; v < s->nvars; v++)
    if (vars >> v & 1 && !mul_fits(places, s->extent[v], &places)) return 1;
  const int64_t count = places < samples && !(reads && places > 0) ? places : samples;
  double inside = 0;
  for (int64_t i = 0; i < count; i++) {
    Expr *map[IR_MAX_VARS] = {0};
    Sample sample = {g, extent, i};
    int64_t at = places <= count ? i % places
                                 : (int64_t)(((double)i + 0.5) / (double)count * (double)places);
    for (int v = s->nvars - 1; v >= 0; v--) {
      if (!(vars >> v & 1)) continue;
      map[v] = ex_int(g, at % s->extent[v]);
      at /= s->extent[v];
    }
    int64_t here = places_at(&sample, &c, map, s->nvars);
    if (here < 0) return 1;
    inside += (double)here;
  }
  return count ? inside / ((double)count * (double)extent) : 1;
}

double band_share(Graph *g, const Band *b, const BandSpace *s) {
  return share_of(g, b, s, SAMPLES);
}

Band band_worth(Graph *g, Band b, const BandSpace *s, int64_t places) {
  const double enough = 0.8; /* more loops than one cost something */
  if (b.n < 2) return b;
  Band one = {.n = 1, .at = {b.at[0]}};
  for (int i = 1; i < b.n; i++) one.at[0] = hull(g, one.at[0], b.at[i], s);
  const double all = band_share(g, &one, s), inside = band_share(g, &b, s);
  const double between = (all - inside) * (double)s->extent[s->var];
  return inside <= enough * all && between >= (double)places ? b : one;
}
