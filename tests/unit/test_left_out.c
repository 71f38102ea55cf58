/* SPDX-License-Identifier: MIT */
/* Terms that a condition leaves out of a sum are not in it, whatever they would have been: where
 * one factor is infinite or NaN there, and of sums of no terms, results are numbers that are known
 * by hand. By the evaluator, as kernels for the CPU in every way to multiply, and on the emulated
 * GPU. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/backend.h"
#include "compiler/eval/eval.h"
#include "compiler/ir/text.h"
#include "runtime/session.h"
#include "tests/compiled.h"
#include "tests/emulated.h"

/* An element of an input, or of the output. */
typedef double ValueOf(int64_t i);

typedef struct Case {
  const char *name, *text;
  ValueOf *a, *b, *y;
} Case;

/* ---- rows that see what is before them --------------------------------------------------------
 * y[i] = 1 + .. + (i + 1) modulo 8 each; from row CUT on it meets an infinity */
enum { S = 160, CUT = 100 };
#define CAUSAL(graph, shape, factors)                                   \
  "graph " graph "\ninput a: real[160, 160]\ninput b: real[160, 160]\n" \
  "y[i:160, j:160] = sum[k:160" shape "](" factors ")\noutput y = y\n"

static double one(int64_t i) {
  (void)i;
  return 1;
}
static double whole(int64_t k) { return (double)(k % 8); }
static double infinite_from_cut(int64_t i) { return i / S >= CUT ? INFINITY : whole(i / S); }
static double nan_from_cut(int64_t i) { return i / S >= CUT ? NAN : whole(i / S); }
static double before(int64_t row) {
  double sum = 0;
  for (int64_t k = 0; k <= row; k++) sum += whole(k);
  return sum;
}
static double causal_y(int64_t i) { return i / S < CUT ? before(i / S) : INFINITY; }
static double causal_nan_y(int64_t i) { return i / S < CUT ? before(i / S) : NAN; }
static double twice_y(int64_t i) { return 2 * causal_y(i); }

/* the condition stands beside the columns: y[i, j] = sum over k <= j of a[i, k] */
static double infinite_columns(int64_t i) { return i % S >= CUT ? INFINITY : whole(i % S); }
static double columns_y(int64_t i) { return i % S < CUT ? before(i % S) : INFINITY; }

/* both: i - 4 < k <= j + 20, of ones, infinite where k is CUT and more */
static double infinite_ones(int64_t i) { return i % S >= CUT ? INFINITY : 1; }
static double both_y(int64_t i) {
  const int64_t row = i / S, column = i % S;
  int64_t first = row > 3 ? row - 3 : 0, last = column + 20 < S - 1 ? column + 20 : S - 1;
  return last < first ? 0 : last >= CUT ? INFINITY : (double)(last - first + 1);
}

/* the mean of the first i / 2 - 3 terms, 0 of none though the quotient is infinite there */
static double mean_y(int64_t i) {
  const int64_t count = i / S / 2 - 3;
  double sum = 0;
  for (int64_t k = 0; k < count; k++) sum += 1;
  return count <= 0 ? 0 : sum / (double)count;
}

static double mean_column_y(int64_t i) { return mean_y(i % S * S); }

/* ---- a convolution of the two places before one and itself, whose first tap is infinite: places
 * 0 and 1 meet the last tap, and the last two, of 64 channels */
static double tap(int64_t i) { return i / (64 * 64) == 0 ? INFINITY : 2; }
static double convolution_y(int64_t i) {
  const int64_t l = i / 64 % 160;
  return l < 2 ? (double)(2 * 64 * (l + 1)) : INFINITY;
}

/* ---- attention that is masked where it is summed: rows before CUT are means of what they see */
static double equal(int64_t i) {
  (void)i;
  return 0;
}
static double value(int64_t i) { return i / 64 % 160 >= CUT ? INFINITY : (double)(i / 64 % 160); }
static double attention_y(int64_t i) {
  const int64_t row = i / 64 % 160; /* probabilities are 1 / 160 each */
  return row >= CUT ? INFINITY : (double)(row * (row + 1) / 2) / 160;
}

/* scores that are masked: rows before 120 see none of the infinite places of a key, score 0 and
 * are means of ones; from there on all scores are infinite */
static double key(int64_t i) { return i % 64 >= 40 ? INFINITY : 0; }
static double scored_y(int64_t i) { return i / 64 % 160 < 120 ? 1 : NAN; }

static const Case cases[] = {
    {"rows", CAUSAL("rows", " | k <= i", "a[i, k] * b[k, j]"), one, infinite_from_cut, causal_y},
    {"nan", CAUSAL("not_a_number", " | k <= i", "a[i, k] * b[k, j]"), one, nan_from_cut,
     causal_nan_y},
    {"select", CAUSAL("selected", "", "k <= i ? a[i, k] * b[k, j] : 0.0"), one, infinite_from_cut,
     causal_y},
    {"turned", CAUSAL("turned", " | k <= i", "a[k, i] * b[k, j]"), one, infinite_from_cut,
     causal_y},
    {"columns", CAUSAL("by_columns", " | k <= j", "a[i, k] * b[k, j]"), infinite_columns, one,
     columns_y},
    {"both", CAUSAL("on_both", " | i < k + 4 and k <= j + 20", "a[i, k] * b[k, j]"), infinite_ones,
     one, both_y},
    {"factor",
     CAUSAL("with_factor", " | k <= i", "2.0 * a[i, k] * b[k, j] * real(1 + div(i, 1000))"), one,
     infinite_from_cut, twice_y},
    {"mean of none",
     CAUSAL("of_none", " | k < div(i, 2) - 3", "a[i, k] * b[k, j] / real(max(div(i, 2) - 3, 0))"),
     one, one, mean_y},
    {"mean of none by columns",
     CAUSAL("mean_of_columns", " | k < div(j, 2) - 3",
            "a[i, k] * b[k, j] / real(max(div(j, 2) - 3, 0))"),
     one, one, mean_column_y},
    {"mean of none by both",
     CAUSAL("mean_by_both", " | k < div(i, 2) - 3",
            "a[i, k] * b[k, j] / real(max(div(i, 2) - 3, 0) * (1 + div(j, 1000)))"),
     one, one, mean_y},
    {"mean of none by columns and rows",
     CAUSAL("mean_of_both", " | k < div(j, 2) - 3",
            "a[i, k] * b[k, j] / real(max(div(j, 2) - 3, 0) * (1 + div(i, 1000)))"),
     one, one, mean_column_y},
    {"epilogue",
     "graph epilogue\ninput a: real[160, 160]\ninput b: real[160, 160]\n"
     "s[i:160, j:160] = sum[k:160 | k <= i](a[i, k] * b[k, j])\n"
     "y[i:160, j:160] = 2.0 * s[i, j]\noutput y = y\n",
     one, infinite_from_cut, twice_y},
    {"convolution",
     "graph windows\ninput a: real[4, 160, 64]\ninput b: real[3, 64, 64]\n"
     "y[n:4, l:160, o:64] = sum[m:3, i:64 | 0 <= l + m - 2](a[n, l + m - 2, i] * b[m, i, o])\n"
     "output y = y\n",
     one, tap, convolution_y},
    {"attention",
     "graph attention\ninput a: real[4, 160, 64]\ninput b: real[4, 160, 64]\n"
     "s[n:4, l:160, k:160] = sum[e:64](a[n, l, e] * a[n, k, e])\n"
     "m[n:4, l:160] = max[k:160](s[n, l, k])\n"
     "x[n:4, l:160, k:160] = exp(s[n, l, k] - m[n, l])\n"
     "z[n:4, l:160] = sum[k:160](x[n, l, k])\n"
     "p[n:4, l:160, k:160] = x[n, l, k] / z[n, l]\n"
     "y[n:4, l:160, e:64] = sum[k:160 | k <= l](p[n, l, k] * b[n, k, e])\n"
     "output y = y\n",
     equal, value, attention_y},
    {"scores",
     "graph scores\ninput a: real[4, 160, 64]\ninput b: real[4, 160, 64]\n"
     "s[n:4, l:160, k:160] = sum[e:64 | e <= div(l, 3)](a[n, l, e] * b[n, k, e])\n"
     "m[n:4, l:160] = max[k:160](s[n, l, k])\n"
     "x[n:4, l:160, k:160] = exp(s[n, l, k] - m[n, l])\n"
     "z[n:4, l:160] = sum[k:160](x[n, l, k])\n"
     "p[n:4, l:160, k:160] = x[n, l, k] / z[n, l]\n"
     "y[n:4, l:160, e:64] = sum[k:160](p[n, l, k] * a[n, k, e])\n"
     "output y = y\n",
     one, key, scored_y},
};

static Graph *graph_of(Arena *a, const Case *c) {
  Diags *d = diags_new(a);
  Graph *g = ir_parse(a, interner_new(a), d, diags_source(d, c->name, c->text, strlen(c->text)));
  if (!g) fail_msg("%s: %s", c->name, diags_at(d, 0)->message);
  return g;
}

static int64_t count_of(Graph *g, const char *name) {
  for (int i = 0; i < g->top->nodes.n; i++)
    if (strcmp(g->top->nodes.at[i]->name, name) == 0) return ir_count(g->top->nodes.at[i]);
  fail_msg("no %s", name);
  return 0;
}

static void check(const Case *c, const char *how, int64_t i, double got, double tolerance) {
  const double want = c->y(i);
  bool right = isnan(want)   ? isnan(got)
               : isinf(want) ? got == want
                             : fabs(got - want) <= tolerance * (1 + fabs(want));
  if (!right) fail_msg("%s, %s: element %d is %g, not %g", c->name, how, (int)i, got, want);
}

static void evaluated(void **state) {
  (void)state;
  for (size_t n = 0; n < sizeof cases / sizeof *cases; n++) {
    Arena *a = arena_new();
    Graph *g = graph_of(a, &cases[n]);
    Eval *ev = eval_new(g, 1, 1);
    for (int k = 0; k < g->top->nodes.n; k++) {
      Node *x = g->top->nodes.at[k];
      if (x->kind != N_INPUT) continue;
      double *to = eval_bind(ev, x);
      for (int64_t i = 0; i < ir_count(x); i++)
        to[i] = (*x->name == 'a' ? cases[n].a : cases[n].b)(i);
    }
    assert_null(eval_run(ev));
    const double *y = eval_value(ev, g->outputs.at[0].node);
    for (int64_t i = 0; i < count_of(g, "y"); i++) check(&cases[n], "evaluated", i, y[i], 1e-9);
    eval_free(ev);
    arena_free(a);
  }
}

typedef struct Way {
  const char *name;
  TdType act;
  int split;
  bool cuda;
  double tolerance;
} Way;

static const Way ways[] = {{"f32", TD_F32, TD_SPLIT_FMA, false, 1e-5},
                           {"split6", TD_F32, TD_SPLIT6, false, 1e-5},
                           {"bf16", TD_BF16, TD_SPLIT_F32, false, 1.0 / 64},
                           {"cuda f32", TD_F32, TD_SPLIT_F32, true, 1e-5},
                           {"cuda bf16", TD_BF16, TD_SPLIT_F32, true, 1.0 / 64}};

static double number_of(const void *from, TdType type, int64_t i) {
  if (type != TD_BF16) return ((const float *)from)[i];
  uint32_t bits = (uint32_t)((const uint16_t *)from)[i] << 16;
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* Rows that ask whether they have terms choose by a number as wide as a float: a loop that chooses
 * by a _Bool is left without vectors, and took three times as long as the product before it. */
static int rows_that_ask(const TdProgram *p) {
  int asking = 0;
  for (int i = 0; i < p->nkernels; i++) {
    if (!p->kernels[i].source) continue;
    assert_null(strstr(p->kernels[i].source, "_Bool some = 0"));
    asking += strstr(p->kernels[i].source, "int32_t some = 0") != NULL;
  }
  return asking;
}

static void on_cpu(const TdProgram *p, const Case *c, const Way *w, Graph *g) {
  Compiled *k = compiled_new(p, NULL);
  assert_non_null(k);
  TdType type;
  int64_t count;
  float *a = compiled_input(k, 0, "a"), *b = compiled_input(k, 0, "b");
  for (int64_t i = 0; i < count_of(g, "a"); i++) a[i] = (float)c->a(i);
  for (int64_t i = 0; i < count_of(g, "b"); i++) b[i] = (float)c->b(i);
  compiled_run(k, 0, (TdControl){7, 1}, 2);
  const void *y = compiled_output(k, 0, "y", &type, &count);
  for (int64_t i = 0; i < count; i++) check(c, w->name, i, number_of(y, type, i), w->tolerance);
  compiled_free(k);
}

static void set(Session *s, const char *name, ValueOf *of) {
  const TdBuffer *b = session_input(s, 0, name);
  float *x = malloc((size_t)b->count * sizeof *x);
  TdError err = {0};
  for (int64_t i = 0; i < b->count; i++) x[i] = (float)of(i);
  assert_true(session_set_reals(s, 0, name, x, b->count, &err));
  free(x);
}

static void on_cuda(const TdProgram *p, const Case *c, const Way *w) {
  Session *s = emulated_session(p);
  TdError err = {0};
  assert_non_null(s);
  set(s, "a", c->a);
  set(s, "b", c->b);
  session_run(s, 0, 7, 1);
  const TdBuffer *b = session_output(s, 0, "y");
  void *y = malloc((size_t)b->count * td_type_size(b->type));
  assert_true(session_read_output(s, 0, "y", 0, b->count, y, &err));
  for (int64_t i = 0; i < b->count; i++)
    check(c, w->name, i, number_of(y, b->type, i), w->tolerance);
  free(y);
  session_free(s);
}

static void compiled_to(void **state) {
  const Way *w = *state;
  int asking = 0;
  for (size_t n = 0; n < sizeof cases / sizeof *cases; n++) {
    Arena *a = arena_new();
    BackendOptions o = backend_defaults();
    Graph *g = graph_of(a, &cases[n]);
    Backend *be = backend_new(a, diags_new(a), "left_out", &o);
    if (w->cuda) backend_for(be, backend_target("cuda"));
    backend_activations(be, w->act);
    backend_split(be, w->split);
    assert_true(backend_entry(be, g, "main"));
    const TdProgram *p = backend_finish(be);
    if (w->cuda)
      on_cuda(p, &cases[n], w);
    else
      on_cpu(p, &cases[n], w, g);
    asking += rows_that_ask(p);
    arena_free(a);
  }
  assert_true(w->cuda || asking > 0);
}

int main(void) {
  enum { WAYS = sizeof ways / sizeof *ways };
  struct CMUnitTest tests[WAYS + 1];
  emulate(false);
  tests[WAYS] = (struct CMUnitTest)cmocka_unit_test(evaluated);
  for (int i = 0; i < WAYS; i++)
    tests[i] = (struct CMUnitTest){
        .name = ways[i].name, .test_func = compiled_to, .initial_state = (void *)&ways[i]};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
