/* SPDX-License-Identifier: MIT */
/* Windows of conditions. A comparison of integers is c * v + rest <= 0, which bounds v by
 * rest / c; what else of it depends on v is replaced by a linear function that lies below it:
 *
 *     m <= l and l - m < 64     ->  m in l - 63 .. l
 *     abs(l - m) <= 3           ->  l - 3 .. l + 3          both l - m <= 3 and m - l <= 3
 *     m / 16 <= l / 16          ->  0 .. l / 16 * 16 + 15   as floor(m / 16) >= (m - 15) / 16
 *     m - m % 16 <= l           ->  0 .. l + 15             as m % 16 <= 15
 *     l < 8 ? m < 4 : m < l     ->  0 .. (l < 8 ? 3 : l - 1)
 *     m < length[l]             ->  0 .. length[l] - 1      integers are data as well,
 *     real(m) < x[l]            ->  0 .. ceil(x[l]) - 1     and reals; of NaN nothing
 *     m < 4 or abs(l - m) <= 3  ->  0 .. 3 and l - 3 .. l + 3
 *
 * Data are integers of 32 bits, and may be any: what leaves the extent so far that the comparison
 * is decided is cut there. Of reals those alone are taken that are no result of arithmetic here,
 * which might be rounded in another way where the condition itself is computed.
 * `and` meets windows, each with each; `or` takes all of both (band_list.c). Ends may leave the
 * extent; they never leave 30 bits, as kernels compute them in 32: a condition that could is taken
 * for everything. */
#include "compiler/ir/band.h"
#include "compiler/ir/ir.h"
#include "compiler/ir/linear.h"

#include <math.h>

enum { BRANCHES = 64 };                        /* alternatives that are looked at */
static const int64_t EXACT = (int64_t)1 << 24; /* integers that single precision tells apart */
static const int64_t FARTHEST = (int64_t)1 << 30;

typedef struct Finder {
  Graph *g;
  const BandSpace *s;
  int branches; /* left */
} Finder;

static const Band everything = {.n = 1};
static const Band nothing = {.n = 0};

static Band only(Expr *lo, Expr *hi) { return (Band){.n = 1, .at = {{lo, hi}}}; }

/* ---- choices --------------------------------------------------------------------------- */

/* a where `cond` holds, which does not depend on the variable, else b. */
static Band choose(Finder *f, Expr *cond, Band a, Band b) {
  Graph *g = f->g;
  Expr *zero = ex_int(g, 0), *end = ex_int(g, f->s->extent[f->s->var]);
  Band all = {.n = a.n > b.n ? a.n : b.n};
  if (band_is_all(&a) && band_is_all(&b)) return everything;
  for (int i = 0; i < all.n; i++) {
    Expr *lo[2], *hi[2];
    for (int k = 0; k < 2; k++) {
      const Band *x = k ? &b : &a;
      lo[k] = i >= x->n ? end : x->at[i].lo ? x->at[i].lo : zero;
      hi[k] = i >= x->n ? zero : x->at[i].hi ? x->at[i].hi : end;
    }
    all.at[i] = (BandWindow){.lo = ex3(g, P_select, cond, lo[0], lo[1]),
                             .hi = ex3(g, P_select, cond, hi[0], hi[1])};
  }
  return all;
}

/* ---- comparisons --------------------------------------------------------------------------- */

static bool names(const Finder *f, const Expr *e) { return e->vars & expr_var_bit(f->s->var); }

typedef struct Data {
  const BandSpace *s;
  bool ok;
} Data;

static void check_data(Expr *e, void *ctx) {
  Data *d = ctx;
  if (!d->ok) return;
  if (e->kind == E_READ) d->ok = d->s->may_read(e, d->s->ctx);
  if (e->kind == E_PRIM && e->type == TY_REAL) /* never rounded */
    d->ok = e->prim == P_min || e->prim == P_max || e->prim == P_neg || e->prim == P_real;
}

/* May the ends of a window name it? */
static bool known(const Finder *f, Expr *e) {
  if (e->vars & ~f->s->known || e->draws) return false;
  if (!e->reads) return true;
  Data d = {f->s, f->s->may_read != NULL};
  if (d.ok) ex_visit(f->g, e, check_data, &d);
  return d.ok;
}

static Band below_zero(Finder *f, const Linear *s);

/* s with term i replaced by times * coef * e, all else multiplied by `scale`. */
static bool replaced(const Linear *s, int i, int64_t scale, Expr *e, int64_t times, Linear *out) {
  int64_t coef;
  linear_init(out);
  for (int k = 0; k < s->n; k++)
    if (__builtin_mul_overflow(s->term[k].coef, k == i ? times : scale, &coef) ||
        !linear_add(out, k == i ? e : s->term[k].atom, coef))
      return false;
  return !__builtin_mul_overflow(s->constant, scale, &coef) &&
         !__builtin_add_overflow(out->constant, coef, &out->constant);
}

static Band with(Finder *f, const Linear *s, int i, Expr *e, int64_t times) {
  Linear t;
  return replaced(s, i, 1, e, times, &t) ? below_zero(f, &t) : everything;
}

/* Of two functions in term i's place: their greater one (then both must be small), or the less. */
static Band with_either(Finder *f, const Linear *s, int i, bool greater, Expr *a, int64_t a_times,
                        Expr *b, int64_t b_times) {
  Band x = with(f, s, i, a, a_times), y = with(f, s, i, b, b_times);
  return greater ? band_meet(f->g, x, y, f->s) : band_join(f->g, x, y, f->s);
}

/* The least that term i can be. */
static Band with_least(Finder *f, const Linear *s, int i) {
  int64_t lo, hi;
  ex_interval(f->g, s->term[i].atom, f->s->extent, f->s->nvars, &lo, &hi);
  int64_t end = s->term[i].coef > 0 ? lo : hi;
  if (end == INT64_MIN || end == INT64_MAX) return everything;
  return with(f, s, i, ex_int(f->g, end), 1);
}

/* floor(a / d): (a - d + 1) / d at least, a / d at most. */
static Band with_quotient(Finder *f, const Linear *s, int i, Expr *a, int64_t d) {
  Linear t;
  if (s->term[i].coef > 0) a = ex2(f->g, P_sub, a, ex_int(f->g, d - 1));
  return replaced(s, i, d, a, 1, &t) ? below_zero(f, &t) : everything;
}

/* Term i is no plain multiple of the variable, and no part of an end. */
static Band without(Finder *f, const Linear *s, int i) {
  Expr *e = s->term[i].atom;
  const bool up = s->term[i].coef > 0;
  if (f->branches-- <= 0) return everything;
  if (e->kind != E_PRIM) return with_least(f, s, i);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wswitch-enum"
  switch (e->prim) {
  case P_abs: return with_either(f, s, i, up, e->args[0], 1, e->args[0], -1);
  case P_max: return with_either(f, s, i, up, e->args[0], 1, e->args[1], 1);
  case P_min: return with_either(f, s, i, !up, e->args[0], 1, e->args[1], 1);
  case P_select: {
    Band a = with(f, s, i, e->args[1], 1), b = with(f, s, i, e->args[2], 1);
    return known(f, e->args[0]) && !names(f, e->args[0]) ? choose(f, e->args[0], a, b)
                                                         : band_join(f->g, a, b, f->s);
  }
  case P_div:
    if (e->args[1]->kind == E_INT && e->args[1]->inum > 0)
      return with_quotient(f, s, i, e->args[0], e->args[1]->inum);
    return with_least(f, s, i);
  default: return with_least(f, s, i);
  }
#pragma GCC diagnostic pop
}

typedef struct Near {
  const Finder *f;
  bool ok;
} Near;

/* Integers of 32 bits that are no result of arithmetic, so that nothing overflows. */
static bool is_datum(const Expr *e) {
  return e->kind == E_READ || ex_is_prim(e, P_int) || ex_is_prim(e, P_min) || ex_is_prim(e, P_max);
}

static bool within(const Finder *f, Expr *e, int64_t least, int64_t most) {
  int64_t lo, hi;
  return ex_interval(f->g, e, f->s->extent, f->s->nvars, &lo, &hi) && lo >= least && hi <= most;
}

static void check_near(Expr *e, void *ctx) {
  Near *x = ctx;
  if (e->type != TY_INT || !x->ok) return;
  x->ok = within(x->f, e, -FARTHEST, FARTHEST) ||
          (is_datum(e) && within(x->f, e, IR_INT_MIN, IR_INT_MAX));
}

static bool is_near(const Finder *f, Expr *e) {
  Near x = {f, true};
  if (!e) return true;
  ex_visit(f->g, e, check_near, &x);
  return x.ok && (e->type != TY_INT || within(f, e, -FARTHEST, FARTHEST));
}

/* A sum of which one term alone may be far: what the others come to decides nothing any more
 * where that one is farther than they are, so it is cut there. */
static bool cut_far_term(const Finder *f, Linear *s) {
  int far = -1;
  int64_t others = s->constant < 0 ? -s->constant : s->constant;
  for (int i = 0; i < s->n; i++) {
    Expr *e = s->term[i].atom;
    int64_t lo, hi, times = s->term[i].coef < 0 ? -s->term[i].coef : s->term[i].coef, most;
    if (!within(f, e, IR_INT_MIN, IR_INT_MAX)) return false;
    if (is_datum(e) && !within(f, e, -FARTHEST, FARTHEST)) {
      if (far >= 0) return false;
      far = i;
      continue;
    }
    ex_interval(f->g, e, f->s->extent, f->s->nvars, &lo, &hi);
    most = -lo > hi ? -lo : hi;
    if (!mul_fits(most, times, &most) || __builtin_add_overflow(others, most, &others))
      return false;
  }
  if (far < 0) return true;
  if (others >= FARTHEST) return false;
  Expr **e = &s->term[far].atom;
  *e = ex2(f->g, P_min, *e, ex_int(f->g, others + 1));
  *e = ex2(f->g, P_max, *e, ex_int(f->g, -others - 1));
  return true;
}

/* Where s <= 0. */
static Band below_zero(Finder *f, const Linear *s) {
  Graph *g = f->g;
  Linear sum = *s, rest;
  int64_t c = 0;
  linear_init(&rest);
  for (int i = 0; i < s->n; i++) {
    Expr *e = s->term[i].atom;
    if (ex_bare_var(e) != f->s->var && (names(f, e) || !known(f, e))) return without(f, s, i);
  }
  if (!cut_far_term(f, &sum)) return everything;
  for (int i = 0; i < sum.n; i++) {
    if (ex_bare_var(sum.term[i].atom) == f->s->var)
      c = sum.term[i].coef;
    else
      rest.term[rest.n++] = sum.term[i];
  }
  rest.constant = sum.constant;
  Expr *r = linear_build(g, &rest);
  if (!is_near(f, r) || c > FARTHEST || c < -FARTHEST) return everything;
  if (c == 0) {
    Expr *holds = ex2(g, P_le, r, ex_int(g, 0));
    if (holds->kind == E_BOOL) return holds->inum ? everything : nothing;
    return choose(f, holds, everything, nothing);
  }
  /* v <= floor(-rest / c), or v >= -floor(-rest / -c) */
  Expr *end = ex2(g, P_div, ex1(g, P_neg, r), ex_int(g, c > 0 ? c : -c));
  Expr *bound = c > 0 ? ex2(g, P_add, end, ex_int(g, 1)) : ex1(g, P_neg, end);
  if (!is_near(f, bound)) return everything;
  return c > 0 ? only(NULL, bound) : only(bound, NULL);
}

/* a - b + more <= 0 */
static Band compared(Finder *f, Expr *a, Expr *b, int64_t more) {
  Linear s;
  linear_init(&s);
  if (!linear_add(&s, a, 1) || !linear_add(&s, b, -1) ||
      __builtin_add_overflow(s.constant, more, &s.constant))
    return everything;
  return below_zero(f, &s);
}

/* ---- comparisons of reals: l / 16 is one in the language ------------------------------ */

/* real(n), or that over or times a positive constant. */
typedef struct Scaled {
  Expr *n; /* an integer */
  Prim by; /* P_div, P_mul; P_real: neither */
  double constant;
} Scaled;

static bool scaled_integer(Expr *e, Scaled *out) {
  *out = (Scaled){.by = P_real, .constant = 1};
  for (int side = 0; side < 2 && (ex_is_prim(e, P_div) || ex_is_prim(e, P_mul)); side++) {
    Expr *c = e->args[!side];
    if (c->kind != E_NUM || (side && e->prim == P_div)) continue;
    *out = (Scaled){.by = e->prim, .constant = c->num};
    e = e->args[side];
  }
  if (!ex_is_prim(e, P_real) || e->args[0]->type != TY_INT) return false;
  out->n = e->args[0];
  return out->constant > 0 && isfinite(out->constant);
}

/* a < b, or <=: of the same scale, as their integers compare, but that rounding may take
 * neighbours for equal. */
static Band compared_reals(Finder *f, Expr *a, Expr *b) {
  Scaled x, y;
  if (!scaled_integer(a, &x) || !scaled_integer(b, &y) || x.by != y.by ||
      x.constant != y.constant || !is_near(f, x.n) || !is_near(f, y.n))
    return everything;
  /* numbers below 2^24 are exact, and so are differences of neighbours over powers of 2 */
  int exponent;
  bool exact = frexp(x.constant, &exponent) == 0.5 && exponent > -64 && exponent < 64;
  int64_t lo, hi;
  for (int i = 0; i < 2; i++) {
    ex_interval(f->g, i ? x.n : y.n, f->s->extent, f->s->nvars, &lo, &hi);
    if (lo < -EXACT / 4 || hi > EXACT / 4) return everything;
  }
  return compared(f, x.n, y.n, exact ? 0 : -1);
}

/* ---- reals that are data ----------------------------------------------------------------- */

/* real(n), n below 2^24, so that single precision has it? */
static Expr *exact_integer(const Finder *f, const Expr *e) {
  if (!ex_is_prim(e, P_real) || e->args[0]->type != TY_INT) return NULL;
  return within(f, e->args[0], -EXACT / 4, EXACT / 4) ? e->args[0] : NULL;
}

/* With x data of the row, the integer t of which
 *
 *     n < x  is  n < t    n <= x  is  n < t      `left`: n stands on the left
 *     x < n  is  t <= n   x <= n  is  t <= n
 *
 * for every n of lo .. hi: ceil(x) or floor(x) + 1, and of NaN, with which no comparison holds,
 * what makes it so. */
static Expr *threshold(const Finder *f, Expr *x, bool left, bool or_equal, int64_t lo, int64_t hi) {
  Graph *g = f->g;
  Expr *least = ex_num(g, (double)lo), *most = ex_num(g, (double)hi);
  Expr *some =
      left ? ex2(g, or_equal ? P_le : P_lt, least, x) : ex2(g, or_equal ? P_le : P_lt, x, most);
  Expr *none = ex_int(g, left ? lo : hi + 1), *next = ex_int(g, 1);
  Expr *whole = ex2(g, P_max, ex2(g, P_min, ex1(g, P_int, x), ex_int(g, hi + 1)),
                    ex_int(g, lo - 1)); /* floor(x) */
  if (left != or_equal)                 /* ceil(x) */
    next = ex3(g, P_select, ex2(g, P_lt, ex1(g, P_real, whole), x), next, ex_int(g, 0));
  return ex3(g, P_select, some, ex2(g, P_add, whole, next), none);
}

/* a < b, or <=, or the opposite; one side an integer, the other one data. */
static Band compared_datum(Finder *f, Expr *a, Expr *b, bool or_equal, bool holds) {
  Expr *left = exact_integer(f, a), *right = exact_integer(f, b);
  const bool on_left = left && names(f, left);
  Expr *n = on_left ? left : right, *x = on_left ? b : a;
  int64_t lo, hi;
  if (!n || !names(f, n) || names(f, x) || !x->reads || !known(f, x)) return everything;
  ex_interval(f->g, n, f->s->extent, f->s->nvars, &lo, &hi);
  Expr *t = threshold(f, x, on_left, or_equal, lo, hi);
  return on_left == holds ? compared(f, n, t, 1) : compared(f, t, n, 0);
}

/* ---- conditions ------------------------------------------------------------------------- */

static Band window(Finder *f, Expr *e, bool holds);

/* c ? a : b, all of them conditions, or with `holds` false its opposite. */
static Band chosen(Finder *f, Expr *const *arg, bool holds) {
  Band a = window(f, arg[1], holds), b = window(f, arg[2], holds);
  if (known(f, arg[0]) && !names(f, arg[0])) return choose(f, arg[0], a, b);
  return band_join(f->g, band_meet(f->g, window(f, arg[0], true), a, f->s),
                   band_meet(f->g, window(f, arg[0], false), b, f->s), f->s);
}

/* Of a condition that does not depend on the variable. */
static Band all_or_nothing(Finder *f, Expr *e, bool holds) {
  return holds ? choose(f, e, everything, nothing) : choose(f, e, nothing, everything);
}

static Band window(Finder *f, Expr *e, bool holds) {
  if (e->kind == E_BOOL) return (e->inum != 0) == holds ? everything : nothing;
  if (e->kind == E_READ && !names(f, e) && known(f, e)) return all_or_nothing(f, e, holds);
  if (e->kind != E_PRIM || f->branches-- <= 0) return everything;
  Expr *const *arg = e->args;
  const bool whole = e->nargs == 2 && arg[0]->type == TY_INT;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wswitch-enum"
  switch (e->prim) {
  case P_not: return window(f, arg[0], !holds);
  case P_and:
  case P_or: {
    Band a = window(f, arg[0], holds), b = window(f, arg[1], holds);
    return (e->prim == P_and) == holds ? band_meet(f->g, a, b, f->s) : band_join(f->g, a, b, f->s);
  }
  case P_select: return chosen(f, arg, holds);
  default: break;
  }
  if (e->reads && !names(f, e) && known(f, e)) return all_or_nothing(f, e, holds);
  if (e->nargs == 2 && arg[0]->type == TY_REAL && (e->prim == P_lt || e->prim == P_le)) {
    Band b = compared_datum(f, arg[0], arg[1], e->prim == P_le, holds);
    if (!band_is_all(&b)) return b;
    return holds ? compared_reals(f, arg[0], arg[1]) : everything;
  }
  if (!whole) return everything;
  if (known(f, e) && !names(f, e) && is_near(f, arg[0]) && is_near(f, arg[1]))
    return all_or_nothing(f, e, holds);
  switch (e->prim) {
  case P_lt: return holds ? compared(f, arg[0], arg[1], 1) : compared(f, arg[1], arg[0], 0);
  case P_le: return holds ? compared(f, arg[0], arg[1], 0) : compared(f, arg[1], arg[0], 1);
  case P_eq:
  case P_ne:
    if ((e->prim == P_eq) != holds) return everything;
    return band_meet(f->g, compared(f, arg[0], arg[1], 0), compared(f, arg[1], arg[0], 0), f->s);
  default: return everything;
  }
#pragma GCC diagnostic pop
}

Band band_of(Graph *g, Expr *cond, const BandSpace *space) {
  Finder f = {g, space, BRANCHES};
  if (!cond) return everything;
  Band b = window(&f, cond, true);
  for (int i = 0; i < b.n; i++)
    if (!is_near(&f, b.at[i].lo) || !is_near(&f, b.at[i].hi)) return everything;
  return b;
}
