/* SPDX-License-Identifier: MIT */
/* Windows of conditions (compiler/ir/band.c): ends worked out by hand, and random conditions
 * against enumeration: no place at which one holds is outside of its window. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/backend.h"
#include "compiler/ir/band.h"
#include "compiler/ir/ir.h"
#include "compiler/ir/text.h"
#include "tests/compiled.h"
#include "tests/randgraph.h"

enum { M = 40, L = 24 };

/* The condition of sum[m:40 | CONDITION] over l:24, as text. Variables: l is 0, m is 1. */
static Expr *parse(Arena *a, const char *condition, Graph **g) {
  Diags *d = diags_new(a);
  const char *text = arena_printf(a,
                                  "graph g\ninput x: real[40]\ninput n: int[24] in 0 .. 40\n"
                                  "input k: int[24]\ninput r: real[24]\ninput on: bool[24]\n"
                                  "y[l:24] = sum[m:40 | %s](x[m])\n"
                                  "output y = y\n",
                                  condition);
  *g = ir_parse(a, interner_new(a), d, diags_source(d, "band.ir", text, strlen(text)));
  if (!*g) fail_msg("%s: %s", condition, diags_at(d, 0)->message);
  return (*g)->outputs.at[0].node->guard;
}

static const int64_t extent[] = {L, M};
static const BandSpace space = {.extent = extent, .nvars = 2, .var = 1, .known = 1u};

static int64_t at(Graph *g, Expr *e, int64_t l, int64_t otherwise) {
  if (!e) return otherwise;
  Expr *map[2] = {ex_int(g, l), NULL};
  e = ex_subst(g, e, map, 2);
  if (e->kind != E_INT) fail_msg("an end is no number");
  return e->inum;
}

static bool holds(Graph *g, Expr *e, int64_t l, int64_t m) {
  Expr *map[2] = {ex_int(g, l), ex_int(g, m)};
  return ex_subst(g, e, map, 2)->inum != 0;
}

typedef struct Values {
  Graph *g;
  double n, k, r;
  bool on;
} Values;

static Expr *value_of(Graph *g, Expr *e, void *ctx) {
  const Values *v = ctx;
  if (e->kind != E_READ) return e;
  switch (e->node->name[0]) {
  case 'n': return ex_int(g, (int64_t)v->n);
  case 'k': return ex_int(g, (int64_t)v->k);
  case 'r': return ex_num(g, v->r);
  default: return ex_bool(g, v->on);
  }
}

static int64_t end_at(const Values *v, Expr *e, int64_t l, int64_t otherwise) {
  if (!e) return otherwise;
  return at(v->g, ex_map(v->g, e, value_of, (void *)v), l, otherwise);
}

/* For this l: is each place in how many windows? */
static void windows_of(const Values *v, const Band *b, int64_t l, int *in) {
  for (int64_t m = 0; m < M; m++) in[m] = 0;
  for (int i = 0; i < b->n; i++) {
    const int64_t lo = end_at(v, b->at[i].lo, l, 0), hi = end_at(v, b->at[i].hi, l, M);
    if (lo < 0 || hi > M) fail_msg("%d .. %d is outside of the extent", (int)lo, (int)hi);
    for (int64_t m = lo; m < hi; m++) in[m]++;
  }
}

/* Windows for each l hold the places at which it holds, and no other. */
static void windows_are_the_narrowest(void **state) {
  (void)state;
  static const char *const conditions[] = {
      "m <= l",
      "m < l",
      "l < m",
      "m <= l and l < m + 6",
      "abs(l - m) <= 3",
      "abs(m - l - 5) < 2",
      "div(m, 4) <= div(l, 4)",
      "div(m, 4) == div(l, 4)",
      "div(m - l, 3) == 2",
      "m - mod(m, 4) <= l - mod(l, 4)",
      "m == l + 2",
      "3*m <= 2*l + 1",
      "not m < l - 2",
      "not (l < m or m + 3 < l)",
      "l < 8 ? m < 4 : m < l and 8 <= m",
      "m < 5 and (3 < l and l < 20)",
      "l - 2 <= m and m <= l + 2 and m <= 20",
      "max(m, l) <= 9 and min(l, 3) < m",
      "m <= (l < 12 ? l : 2*l - 12)",
      "m < 3 or m == 4",
      "m == l or m == l + 3",
      "real(m) / 16.0 <= real(l) / 16.0",
      "real(m) * 0.25 <= 0.25 * real(l)",
      "l + 30 <= m and 5 <= l",
      "m < 4 or abs(l - m) <= 3",
      "m < 4 or (m <= l and l - m < 6)",
      "3 <= abs(m - l)",
      "3 <= abs(m - l) and abs(m - l) < 9",
      "not (l <= m and m < l + 5)",
      "m < 2 or 37 <= m or abs(l - m) <= 3",
      "m < l or m < 5",
      "(m < 4 or 30 < m) and (m < l or 2*l < m)",
      "l < 8 ? (m < 4 or 20 < m) : m == l",
      "div(m, 8) == 0 or div(m, 8) == div(l, 8)",
      "max(m, 12) <= l or 20 <= min(m, 20)",
  };
  for (size_t i = 0; i < sizeof conditions / sizeof *conditions; i++) {
    Arena *a = arena_new();
    Graph *g;
    Expr *e = parse(a, conditions[i], &g);
    Band b = band_clamped(g, band_of(g, e, &space), &space);
    const Values none = {.g = g};
    for (int64_t l = 0; l < L; l++) {
      int in[M];
      windows_of(&none, &b, l, in);
      for (int64_t m = 0; m < M; m++)
        if (holds(g, e, l, m) != (in[m] > 0))
          fail_msg("%s where l = %d, m = %d: in %d windows", conditions[i], (int)l, (int)m, in[m]);
    }
    arena_free(a);
  }
}

/* How many windows a condition has: those that leave nothing between them are one, whatever l is;
 * those that would be too many leave as little between them as they can. Worth more than one loop
 * are those with some places between them. */
static void counts(void **state) {
  (void)state;
  static const struct {
    const char *condition;
    int windows, worth; /* with 8 places between them */
  } cases[] = {
      {"m <= l or m < 5", 1, 1},
      {"m < l or m == l or m == l + 1", 1, 1},
      {"m <= l or l - 3 <= m and m < l + 9", 1, 1},
      {"m < 4 or m < 4 and l < m", 1, 1},
      {"m < l and l < m", 0, 0},
      {"m < 4 or m < l and l < m", 1, 1},
      {"m < 3 or 5 <= m and m < 9", 2, 1},
      {"m < 3 or 30 <= m", 2, 2},
      {"m < 4 or abs(l + 16 - m) <= 3", 2, 2},
      {"m < 2 or 38 <= m or abs(m - 20) <= 3", 3, 3},
      {"m < 2 or 38 <= m or m == 20 or m == 22", 3, 3}, /* 20 .. 22 */
      {"m < 2 or 38 <= m or m == 20 or m == 22 or m == 24 or m == 25", 3, 3},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    Arena *a = arena_new();
    Graph *g;
    Expr *e = parse(a, cases[i].condition, &g);
    Band b = band_of(g, e, &space), w = band_worth(g, b, &space, 8);
    if (b.n != cases[i].windows || w.n != cases[i].worth)
      fail_msg("%s: %d windows, worth %d", cases[i].condition, b.n, w.n);
    arena_free(a);
  }
}

/* m <= l, l < 24, of 40: the mean of 1 .. 24, 12.5, of 40. A window of 6 is cut for l < 5:
 * 24 * 6 - (5 + 4 + 3 + 2 + 1) = 129 of 24 * 40. Never: 0. What data decides: all. */
static void shares(void **state) {
  (void)state;
  static const struct {
    const char *condition;
    double share;
  } cases[] = {{"m <= l", 12.5 / 40},
               {"m <= l and l < m + 6", 129.0 / 960},
               {"m < 10", 0.25},
               {"m < l - 30", 0},
               /* 6, 7, 8, 9 for l < 4, where they share places, then 10 */
               {"m < 4 or l <= m and m < l + 6", (6 + 7 + 8 + 9 + 20 * 10) / 960.0},
               {"m < 4 or 36 <= m", 8.0 / 40},
               {"0.0 < x[m]", 1},
               {"0.0 < x[m] and m < 10", 0.25},
               {"0.0 < x[m] or m < 10", 1},
               {"m != l", 1},
               {"mod(m, 3) == mod(l, 3)", 1}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    Arena *a = arena_new();
    Graph *g;
    Expr *e = parse(a, cases[i].condition, &g);
    Band b = band_of(g, e, &space);
    double share = band_share(g, &b, &space);
    if (share < cases[i].share - 1e-12 || share > cases[i].share + 1e-12)
      fail_msg("%s: %.17g, not %.17g", cases[i].condition, share, cases[i].share);
    arena_free(a);
  }
}

/* Ends that need more than 32 bits are none. */
static void far_ends_are_left(void **state) {
  (void)state;
  Arena *a = arena_new();
  Graph *g;
  Expr *e = parse(a, "m < 100000000*l", &g);
  Band b = band_of(g, e, &space);
  assert_true(band_is_all(&b));
  arena_free(a);
}

/* ---- data ------------------------------------------------------------------------ */

static bool any_read(Expr *read, const void *ctx) {
  (void)ctx;
  return !(read->vars & expr_var_bit(1));
}

/* As above, whatever the data are: none of these conditions loses a place, or keeps one more. */
static void ends_that_are_data(void **state) {
  (void)state;
  static const char *const conditions[] = {
      "m < n[l]",
      "m <= n[l] and n[l] <= m + 4",
      "n[l] - 3 <= m and m < n[l] + l",
      "m < k[l]",
      "not m < k[l]",
      "m - 2 <= k[l] and l < m",
      "2*m + l <= k[l]",
      "3*k[l] < m",
      "m == k[l]",
      "abs(m - n[l]) <= 2",
      "m < max(k[l], l)",
      "on[l] and m < 7",
      "on[l] ? m < n[l] : m <= l",
      "m < 5 and 0.0 < r[l]",
      "real(m) < r[l]",
      "real(m) <= r[l]",
      "r[l] < real(m)",
      "r[l] <= real(m)",
      "not real(m) < r[l]",
      "not real(m) <= r[l]",
      "not r[l] < real(m)",
      "not r[l] <= real(m)",
      "real(l - m) < r[l] and m <= l",
      "real(m) < real(k[l])",
      "real(m) < min(r[l], 9.5)",
      "m < 3 or n[l] <= m and m < n[l] + 4",
      "m < n[l] or k[l] <= m",
      "m < k[l] or abs(m - n[l]) <= 2 or 35 < m",
      "on[l] ? m < n[l] or 30 < m : m <= l",
  };
  static const double reals[] = {NAN,  INFINITY, -INFINITY, 1e30, -1e30, 0,    -0.0, -0.5,
                                 0.25, 1,        5.5,       38,   38.5,  39.0, 39.5, 40,
                                 41.5, -1,       3e9,       -3e9, 7,     2.0,  100,  -100};
  static const double integers[] = {0,   1,   2,   5,         20,        39, 40,  41,  -1,
                                    -40, -41, 300, INT32_MAX, INT32_MIN, 13, -13, 7e8, -7e8};
  for (size_t i = 0; i < sizeof conditions / sizeof *conditions; i++) {
    Arena *a = arena_new();
    Graph *g;
    Expr *e = parse(a, conditions[i], &g);
    BandSpace with = space;
    with.may_read = any_read;
    Band none = band_of(g, e, &space), b = band_clamped(g, band_of(g, e, &with), &with);
    if (band_is_all(&b)) fail_msg("%s: no window", conditions[i]);
    assert_false(band_reads(&none));
    for (int t = 0; t < 24; t++) {
      Values v = {g, t * 41 / 24, integers[t % 18], reals[t], t % 2};
      Expr *set = ex_map(g, e, value_of, &v);
      for (int64_t l = 0; l < L; l += 5) {
        int in[M];
        windows_of(&v, &b, l, in);
        for (int64_t m = 0; m < M; m++)
          if (holds(g, set, l, m) != (in[m] > 0))
            fail_msg("%s where l = %d, n = %g, k = %.0f, r = %g, m = %d: in %d windows",
                     conditions[i], (int)l, v.n, v.k, v.r, (int)m, in[m]);
      }
    }
    arena_free(a);
  }
}

/* Rounded here it may be otherwise than there; data by m are none of the row; what wraps around;
 * two that may be far. */
static void data_that_are_no_ends(void **state) {
  (void)state;
  static const char *const conditions[] = {"real(m) < 0.1 * r[l]", "real(m) < x[m]",
                                           "m < k[l] * k[l]", "m < k[l] + k[div(l, 2)]"};
  for (size_t i = 0; i < sizeof conditions / sizeof *conditions; i++) {
    Arena *a = arena_new();
    Graph *g;
    Expr *e = parse(a, conditions[i], &g);
    BandSpace with = space;
    with.may_read = any_read;
    Band b = band_of(g, e, &with);
    if (!band_is_all(&b)) fail_msg("%s: a window", conditions[i]);
    arena_free(a);
  }
}

/* ---- random conditions ------------------------------------------------------------- */

typedef struct Random {
  Graph *g;
  uint64_t state;
} Random;

static int pick(Random *r, int n) { return rand_below(&r->state, n); }

static Expr *number(Random *r, int most) { return ex_int(r->g, pick(r, 2 * most + 1) - most); }

static Expr *condition(Random *r, int depth);

static Expr *integer(Random *r, int depth) {
  Graph *g = r->g;
  int kind = pick(r, depth > 0 ? 12 : 3);
  Expr *a = kind < 3 ? NULL : integer(r, depth - 1);
  switch (kind) {
  case 0: return ex_var(g, 0);
  case 1: return ex_var(g, 1);
  case 2: return number(r, 20);
  case 3: return ex2(g, P_add, a, integer(r, depth - 1));
  case 4: return ex2(g, P_sub, a, integer(r, depth - 1));
  case 5: return ex2(g, P_mul, number(r, 3), a);
  case 6: return ex2(g, P_div, a, ex_int(g, 1 + pick(r, 7)));
  case 7: return ex2(g, P_mod, a, ex_int(g, 1 + pick(r, 7)));
  case 8: return ex1(g, P_abs, a);
  case 9: return ex2(g, pick(r, 2) ? P_min : P_max, a, integer(r, depth - 1));
  case 10: return ex3(g, P_select, condition(r, depth - 1), a, integer(r, depth - 1));
  default: return ex2(g, P_sub, ex_var(g, pick(r, 2)), a);
  }
}

static Expr *condition(Random *r, int depth) {
  static const Prim compare[] = {P_lt, P_le, P_eq, P_ne, P_lt, P_le};
  Graph *g = r->g;
  if (depth <= 0 || pick(r, 2))
    return ex2(g, compare[pick(r, 6)], integer(r, depth), integer(r, depth));
  Expr *a = condition(r, depth - 1);
  switch (pick(r, 4)) {
  case 0: return ex1(g, P_not, a);
  case 1: return ex2(g, P_and, a, condition(r, depth - 1));
  case 2: return ex2(g, P_or, a, condition(r, depth - 1));
  default: return ex3(g, P_select, condition(r, depth - 1), a, condition(r, depth - 1));
  }
}

/* 3000 of them: sound for every l, and some hundred leave something out; some have several
 * windows. */
static void random_conditions(void **state) {
  (void)state;
  int narrowed = 0, several = 0;
  for (int seed = 0; seed < 3000; seed++) {
    Arena *a = arena_new();
    Graph *g;
    parse(a, "m < 1", &g);
    Random r = {g, (uint64_t)seed};
    Expr *e = condition(&r, 3);
    Band b = band_clamped(g, band_of(g, e, &space), &space);
    const Values none = {.g = g};
    narrowed += !band_is_all(&b);
    several += b.n > 1;
    for (int64_t l = 0; l < L; l++) {
      int in[M];
      windows_of(&none, &b, l, in);
      for (int64_t m = 0; m < M; m++)
        if (!in[m] && holds(g, e, l, m))
          fail_msg("seed %d, l = %d, m = %d: outside of all windows", seed, (int)l, (int)m);
    }
    arena_free(a);
  }
  assert_true(narrowed > 600 && several > 60);
}

/* ---- kernels ------------------------------------------------------------------ */

/* Reductions of x over m and k under random conditions, in three forms: of one number a row, of
 * some that a vector loop may hold, of rows and columns; the same as evaluated. */
static void kernels_over_windows(void **state) {
  (void)state;
  enum { COUNT = 60 };
  static const Reducer reducers[] = {RED_SUM, RED_MAX, RED_MIN, RED_PROD, RED_ARGMAX, RED_SUM};
  Arena *a = arena_new();
  Span nowhere = {0};
  Graph *g = graph_new(a, interner_new(a), "windows");
  const int64_t shape[] = {L, M};
  Node *x = ir_input(g, "x", TY_REAL, 2, shape, 0, 0, nowhere);
  for (int i = 0; i < COUNT; i++) {
    Random r = {g, (uint64_t)i + 77};
    Expr *l = ex_var(g, 0), *m = ex_var(g, 1), *three[3] = {ex_var(g, 2), NULL, NULL};
    int64_t small[] = {L, M}, middle[] = {L, 5, M};
    Expr *cond = condition(&r, 2), *value = ex_read(g, x, (Expr *[]){l, m});
    Reducer red = reducers[i % 6];
    if (red == RED_PROD) value = ex2(g, P_add, ex_num(g, 1), ex2(g, P_mul, ex_num(g, 0.01), value));
    if (red == RED_SUM && i % 2) { /* as a choice */
      value = ex3(g, P_select, cond, value, ex_num(g, 0));
      cond = NULL;
    }
    Node *n;
    if (i % 3 == 0) { /* m moves behind a second output */
      Expr *map[2] = {l, three[0]};
      if (cond) cond = ex_subst(g, cond, map, 2);
      value = ex2(g, P_add, ex_subst(g, value, map, 2), ex1(g, P_real, m));
      n = ir_comp(g, g->top, "y", nowhere, 2, 1, middle, red, cond, value);
    } else {
      n = ir_comp(g, g->top, "y", nowhere, 1, 1, small, red, cond, value);
    }
    Output o = {arena_printf(a, "y%d", i), n};
    vec_push(a, &g->outputs, o);
  }
  BackendOptions o = backend_defaults();
  Backend *be = backend_new(a, diags_new(a), "windows", &o);
  assert_true(backend_entry(be, g, "main"));
  Compiled *c = compiled_new(backend_finish(be), NULL);
  assert_non_null(c);
  assert_int_equal(compiled_compare(c, 0, g, 5, 1e-4, 1), 0);
  compiled_free(c);
  arena_free(a);
}

/* Moving sums over 7 places of 1, 2, 3, ...: 7 times the one in the middle, 28 + 7 (l - 3). The
 * first and last ones have fewer terms: 1 + 2 + 3 + 4 = 10, 15, 21; 37 + .. + 40 = 154 at the end.
 * Of none, the last 4 rows of `after`: 0. */
static void moving_sums(void **state) {
  (void)state;
  Arena *a = arena_new();
  Diags *d = diags_new(a);
  const char *text = "graph moving\ninput x: real[40]\n"
                     "y[l:40] = sum[m:40 | abs(l - m) <= 3](x[m])\n"
                     "after[l:40] = sum[m:40 | l + 3 < m](x[m])\n"
                     "top[l:40] = max[m:40 | l + 3 < m](x[m])\n"
                     "output y = y\noutput after = after\noutput top = top\n";
  Graph *g = ir_parse(a, interner_new(a), d, diags_source(d, "moving.ir", text, strlen(text)));
  assert_non_null(g);
  BackendOptions o = backend_defaults();
  Backend *be = backend_new(a, d, "moving", &o);
  assert_true(backend_entry(be, g, "main"));
  Compiled *c = compiled_new(backend_finish(be), NULL);
  assert_non_null(c);
  float *x = compiled_input(c, 0, "x");
  for (int i = 0; i < 40; i++) x[i] = (float)(i + 1);
  compiled_run(c, 0, (TdControl){1, 1}, 2);
  TdType type;
  int64_t count;
  const float *y = compiled_output(c, 0, "y", &type, &count),
              *after = compiled_output(c, 0, "after", &type, &count),
              *top = compiled_output(c, 0, "top", &type, &count);
  assert_true(y[0] == 10 && y[1] == 15 && y[2] == 21 && y[39] == 154);
  for (int l = 3; l < 37; l++) assert_true(y[l] == (float)(28 + 7 * (l - 3)));
  assert_true(after[0] == 820 - 10 && after[35] == 40 && after[36] == 0 && after[39] == 0);
  assert_true(top[0] == 40 && top[35] == 40 && top[36] == -INFINITY && top[39] == -INFINITY);
  compiled_free(c);
  arena_free(a);
}

/* Sums over several windows of 1, 2, 3, ..., 96, whose hull is everything up to l, or everything.
 * Of 4 sinks and the 8 last: all up to l where they meet, else 1 + 2 + 3 + 4 and 8 l - 20. */
static void several_windows(void **state) {
  (void)state;
  enum { N = 96 };
  Arena *a = arena_new();
  Diags *d = diags_new(a);
  const char *text =
      "graph sinks\ninput x: real[96]\ninput n: int[96] in -50 .. 1000\n"
      "y[l:96] = sum[m:96 | m < 4 or (m <= l and l - m < 8)](x[m])\n"
      "top[l:96] = max[m:96 | m < 4 or l + 40 <= m](x[m])\n"
      "ring[l:96, c:1] = sum[m:96 | abs(l - m) <= 50 and 20 <= abs(l - m)](1)\n"
      "three[c:1, l:96] = sum[m:96](m < 2 or (92 <= m or abs(l - m) <= 3) ? x[m] : 0.0)\n"
      "first[l:96, c:1, e:1] = argmax[m:96 | m < 5 or l + 25 <= m](m < 3 ? 0.0 : 1.0)\n"
      "data[l:96, c:1, e:1, f:1] = sum[m:96 | m < 4 or (n[l] <= m and m < n[l] + 5)](x[m])\n"
      "e[l:96, m:96 | m < 4 or (m <= l and l - m < 8)] = x[m] + 1.0\n"
      "z[l:96] = sum[m:96](e[l, m])\n"
      "t[l:96] = sum[m:96](n[l] < m ? 0.0 : (m < 40 ? 0.0 : 2.0 * e[l, m]))\n"
      "column[l:96, j:8] = sum[m:96 | m < 4 or (m <= l and l - m < 8)](x[m] * real(j))\n"
      "output y = y\noutput top = top\noutput ring = ring\noutput three = three\n"
      "output first = first\noutput data = data\noutput z = z\noutput t = t\n"
      "output column = column\n";
  Graph *g = ir_parse(a, interner_new(a), d, diags_source(d, "sinks.ir", text, strlen(text)));
  if (!g) fail_msg("%s", diags_at(d, 0)->message);
  BackendOptions o = backend_defaults();
  Backend *be = backend_new(a, d, "sinks", &o);
  assert_true(backend_entry(be, g, "main"));
  const TdProgram *p = backend_finish(be);
  int loops = 0;
  for (int i = 0; i < p->nkernels; i++)
    for (const char *s = p->kernels[i].source; (s = strstr(s, "td_windows(")) != NULL; s++) loops++;
  assert_true(loops >= 6);
  Compiled *c = compiled_new(p, NULL);
  assert_non_null(c);
  float *x = compiled_input(c, 0, "x");
  int32_t *n = compiled_input(c, 0, "n");
  for (int i = 0; i < N; i++) {
    x[i] = (float)(i + 1);
    n[i] = i % 5 == 0 ? -50 : i % 5 == 1 ? 1000 : i % 7 - 3 + i / 2;
  }
  compiled_run(c, 0, (TdControl){1, 1}, 3);
  TdType type;
  int64_t count;
  const float *y = compiled_output(c, 0, "y", &type, &count),
              *top = compiled_output(c, 0, "top", &type, &count),
              *three = compiled_output(c, 0, "three", &type, &count),
              *data = compiled_output(c, 0, "data", &type, &count),
              *z = compiled_output(c, 0, "z", &type, &count),
              *t = compiled_output(c, 0, "t", &type, &count),
              *column = compiled_output(c, 0, "column", &type, &count);
  const int32_t *ring = compiled_output(c, 0, "ring", &type, &count),
                *first = compiled_output(c, 0, "first", &type, &count);
  for (int l = 0; l < N; l++) {
    const int sum = l < 4 ? 10 : l < 12 ? (l + 1) * (l + 2) / 2 : 8 * l - 10;
    int of_ring = 0, of_three = 0, of_data = 0, of_z = 0, of_t = 0;
    for (int m = 0; m < N; m++) {
      const int apart = l > m ? l - m : m - l;
      of_ring += apart <= 50 && apart >= 20;
      const int e = m < 4 || (m <= l && l - m < 8) ? m + 2 : 0;
      of_z += e;
      of_t += n[l] < m || m < 40 ? 0 : 2 * e;
      of_three += m < 2 || m >= 92 || apart <= 3 ? m + 1 : 0;
      of_data += m < 4 || (n[l] <= m && m < n[l] + 5) ? m + 1 : 0;
    }
    assert_true(y[l] == (float)sum && top[l] == (l < 56 ? 96 : 4) && first[l] == 3);
    assert_true(ring[l] == of_ring && three[l] == (float)of_three);
    assert_true(data[l] == (float)of_data && z[l] == (float)of_z && t[l] == (float)of_t);
    for (int j = 0; j < 8; j++) assert_true(column[l * 8 + j] == (float)(sum * j));
  }
  compiled_free(c);
  arena_free(a);
}

/* Rows of ones: the sums are how many places each row has, by a length that is an input, any
 * integer, any real, or counted beside; the greatest place is one less, of none -inf. */
static void lengths(void **state) {
  (void)state;
  static const int32_t n[8] = {0, 1, 7, 39, 40, 16, 3, 22};
  static const int32_t far[8] = {-5, INT32_MIN, INT32_MAX, 41, 40, 39, 0, 17};
  static const int64_t of_far[8] = {0, 0, 40, 40, 40, 39, 0, 17};
  static const float real[8] = {NAN, -INFINITY, INFINITY, -0.5f, 0.0f, 0.5f, 12.0f, 1e30f};
  static const int64_t of_real[8] = {0, 0, 40, 0, 0, 1, 12, 40};
  Arena *a = arena_new();
  Diags *d = diags_new(a);
  const char *text = "graph lengths\ninput x: real[8, 40]\ninput n: int[8] in 0 .. 40\n"
                     "input far: int[8]\ninput f: real[8]\n"
                     "y[b:8] = sum[m:40 | m < n[b]](x[b, m])\n"
                     "z[b:8, c:1] = sum[m:40 | m < far[b]](x[b, m])\n"
                     "u[c:1, b:8] = sum[m:40](real(m) < f[b] ? x[b, m] : 0.0)\n"
                     "v[b:8] = max[m:40 | not n[b] <= m](real(m))\n"
                     "count[b:8] = sum[m:40](m < n[b] ? 1 : 0)\n"
                     "w[b:8] = sum[m:40 | m < count[b]](x[b, m] + 0.5)\n"
                     "output y = y\noutput z = z\noutput u = u\noutput v = v\noutput w = w\n";
  Graph *g = ir_parse(a, interner_new(a), d, diags_source(d, "lengths.ir", text, strlen(text)));
  if (!g) fail_msg("%s", diags_at(d, 0)->message);
  BackendOptions o = backend_defaults();
  Backend *be = backend_new(a, d, "lengths", &o);
  assert_true(backend_entry(be, g, "main"));
  Compiled *c = compiled_new(backend_finish(be), NULL);
  assert_non_null(c);
  float *x = compiled_input(c, 0, "x");
  for (int i = 0; i < 8 * 40; i++) x[i] = 1;
  memcpy(compiled_input(c, 0, "n"), n, sizeof n);
  memcpy(compiled_input(c, 0, "far"), far, sizeof far);
  memcpy(compiled_input(c, 0, "f"), real, sizeof real);
  compiled_run(c, 0, (TdControl){1, 1}, 2);
  TdType type;
  int64_t count;
  const float *y = compiled_output(c, 0, "y", &type, &count),
              *z = compiled_output(c, 0, "z", &type, &count),
              *u = compiled_output(c, 0, "u", &type, &count),
              *v = compiled_output(c, 0, "v", &type, &count),
              *w = compiled_output(c, 0, "w", &type, &count);
  for (int b = 0; b < 8; b++) {
    assert_true(y[b] == (float)n[b] && z[b] == (float)of_far[b] && u[b] == (float)of_real[b]);
    assert_true(v[b] == (n[b] ? (float)(n[b] - 1) : -INFINITY) && w[b] == 1.5f * (float)n[b]);
  }
  compiled_free(c);
  arena_free(a);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(windows_are_the_narrowest),
                                     cmocka_unit_test(counts),
                                     cmocka_unit_test(shares),
                                     cmocka_unit_test(ends_that_are_data),
                                     cmocka_unit_test(data_that_are_no_ends),
                                     cmocka_unit_test(far_ends_are_left),
                                     cmocka_unit_test(random_conditions),
                                     cmocka_unit_test(kernels_over_windows),
                                     cmocka_unit_test(moving_sums),
                                     cmocka_unit_test(several_windows),
                                     cmocka_unit_test(lengths)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
