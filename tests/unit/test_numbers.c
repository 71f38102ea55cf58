/* SPDX-License-Identifier: MIT */
/* Numbers worked out by hand: graphs without inputs, compiled as programs are when they run,
 * with every option of the backend and with none, and by the evaluator. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/backend.h"
#include "compiler/eval/eval.h"
#include "compiler/ir/text.h"
#include "compiler/ir/verify.h"
#include "runtime/cpu/toolchain.h"
#include "tests/compiled.h"
#include "tests/emulated.h"
#include "tests/model.h"

enum { MOST = 8 };

typedef struct Case {
  const char *name, *text; /* a graph whose first output is compared */
  double within;           /* of the wanted number, as a share of it; NaN is NaN's equal */
  int n;
  double want[MOST];
} Case;

/* element 33 of row 1 is NaN, the others go up from -20 to 219 */
#define ONE_NAN "x[b:6, d:40] = b == 1 and d == 33 ? nan : real(40 * b + d - 20)\n"

static const Case cases[] = {
    {"max_over_a_row",
     ONE_NAN "y[b:6] = max[d:40](x[b, d])\noutput y = y\n",
     0,
     6,
     {19, NAN, 99, 139, 179, 219}},
    {"min_over_a_row",
     ONE_NAN "y[b:6] = min[d:40](x[b, d])\noutput y = y\n",
     0,
     6,
     {-20, NAN, 60, 100, 140, 180}},
    {"max_over_rows",
     ONE_NAN "m[d:40] = max[b:6](x[b, d])\ny[k:3] = m[k + 32]\noutput y = y\n",
     0,
     3,
     {212, NAN, 214}},
    {"max_of_all", ONE_NAN "y[] = max[b:6, d:40](x[b, d])\noutput y = y\n", 0, 1, {NAN}},
    {"max_of_others",
     ONE_NAN "y[] = max[b:6, d:40 | d < 33](x[b, d])\noutput y = y\n",
     0,
     1,
     {212}},
    {"min_of_all_in_many_pieces",
     "x[i:300000] = i == 123456 ? nan : real(i)\ny[] = min[i:300000](x[i])\noutput y = y\n",
     0,
     1,
     {NAN}},
    {"max_of_two",
     "x[i:4] = i == 2 ? nan : real(i)\n"
     "y[k:8] = k < 4 ? max(x[mod(k, 4)], 1.0) : max(1.0, x[mod(k, 4)])\noutput y = y\n",
     0,
     8,
     {1, 1, NAN, 3, 1, 1, NAN, 3}},
    {"min_of_two",
     "x[i:4] = i == 2 ? nan : real(i)\n"
     "y[k:8] = k < 4 ? min(x[mod(k, 4)], 1.0) : min(1.0, x[mod(k, 4)])\noutput y = y\n",
     0,
     8,
     {0, 1, NAN, 1, 0, 1, NAN, 1}},
    {"clamp",
     "x[i:4] = i == 2 ? nan : real(2 * i - 2)\n"
     "y[k:4] = max(-1.0, min(x[k], 1.0))\noutput y = y\n",
     0,
     4,
     {-1, 0, NAN, 1}},
    /* Long sums, of every form that kernels have: 70,000 times 0.01, in which single precision
     * is off by 4e-4 one after the other. */
    {"long_row",
     "input a: real[3, 70000]\ny[b:3] = sum[k:70000](0.01 + a[b, k])\noutput y = y\n",
     2e-6,
     3,
     {700, 700, 700}},
    {"long_row_of_short_ones",
     "input a: real[2, 5000, 14]\ny[b:2] = sum[k:5000, j:14 | 0 <= j](0.01 + a[b, k, 13 - j])\n"
     "output y = y\n",
     2e-6,
     2,
     {700, 700}},
    {"long_row_of_some",
     "input a: real[2, 140000]\ny[b:2] = sum[k:140000 | mod(k, 2) == 1](0.01 + a[b, k])\n"
     "output y = y\n",
     2e-6,
     2,
     {700, 700}},
    {"long_rows_with_a_maximum_beside",
     "input a: real[2, 70000]\ns[b:2] = sum[k:70000](0.01 + a[b, k])\n"
     "m[b:2] = max[k:70000](0.5 + a[b, k])\ny[b:2] = s[b] + m[b]\noutput y = y\n",
     2e-6,
     2,
     {700.5, 700.5}},
    {"shares_of_a_long_row",
     "input a: real[2, 70000]\ns[b:2] = sum[k:70000](0.01 + a[b, k])\n"
     "p[b:2, k:70000] = (0.01 + a[b, k]) / s[b]\ny[b:2] = p[b, 69999]\noutput y = y\n",
     2e-6,
     2,
     {1 / 70000.0, 1 / 70000.0}},
    {"all_of_many_pieces",
     "input a: real[7000000]\ny[] = sum[k:7000000](0.01 + a[k])\noutput y = y\n",
     2e-6,
     1,
     {70000}},
    {"all_of_many_rows",
     "input a: real[70000, 40]\ny[] = sum[k:70000, j:40](0.01 + a[k, j])\noutput y = y\n",
     2e-6,
     1,
     {28000}},
    {"long_columns",
     "input a: real[70000, 40]\nc[j:40] = sum[k:70000](0.01 + a[k, j])\ny[i:2] = c[39 * i]\n"
     "output y = y\n",
     2e-6,
     2,
     {700, 700}},
    {"longer_columns",
     "input a: real[700000, 3]\ny[j:3] = sum[k:700000](0.01 + a[k, j])\noutput y = y\n",
     2e-6,
     3,
     {7000, 7000, 7000}},
    {"long_columns_of_a_row",
     "input a: real[2, 70000, 3]\ny[b:2, j:3] = sum[k:70000](0.01 + a[b, k, j])\noutput y = y\n",
     2e-6,
     6,
     {700, 700, 700, 700, 700, 700}},
    {"long_columns_of_a_row_by_two",
     "input a: real[2, 700, 3, 100]\n"
     "y[b:2, j:3] = sum[k:700, l:100](0.01 + a[b, k, j, l])\noutput y = y\n",
     2e-6,
     6,
     {700, 700, 700, 700, 700, 700}},
    {"long_small_product",
     "input a: real[2, 70000]\ninput b: real[70000, 2]\n"
     "y[i:2, j:2] = sum[k:70000]((0.1 + a[i, k]) * (0.1 + b[k, j]))\noutput y = y\n",
     2e-6,
     4,
     {700, 700, 700, 700}},
    {"long_scatter",
     "input a: real[70000, 3]\n"
     "scatter y: real[2, 3] over [v0:70000, v1:3] at [mod(v0, 1), v1] add 0.01 + a[v0, v1]\n"
     "output y = y\n",
     2e-6,
     6,
     {700, 700, 700, 0, 0, 0}},
    {"long_scatter_into_slices", /* 100 sums in each of three blocks around; the others get none */
     "input a: real[70000, 100]\n"
     "scatter s: real[3, 100, 2] over [v0:70000, v1:100] at [1 + mod(v0, 2), v1, mod(v1, 2)] "
     "add 0.01 * real(1 + mod(v0, 2)) + a[v0, v1]\n"
     "y[i:2, j:2, k:2] = s[i + 1, 98 + j, k]\noutput y = y\n",
     2e-6,
     8,
     {350, 0, 0, 350, 700, 0, 0, 700}},
    {"long_scatter_without_slices",
     "input a: real[70000]\n"
     "scatter y: real[2, 2] over [v0:70000] at [mod(v0, 2), 1 - mod(v0, 2)] add 0.01 + a[v0]\n"
     "output y = y\n",
     2e-6,
     4,
     {0, 350, 350, 0}},
    /* 70,000 times 0.1 * 0.1 one after the other is 700.37 in single precision */
    {"long_product",
     "input a: real[40, 70000]\ninput b: real[70000, 40]\n"
     "p[i:40, j:40] = sum[k:70000]((0.1 + a[i, k]) * (0.1 + b[k, j]))\n"
     "y[i:2] = p[39 * i, 39 * i]\noutput y = y\n",
     2e-6,
     2,
     {700, 700}},
    {"longer_product",
     "input a: real[16, 7]\ninput b: real[7, 16]\n"
     "p[i:16, j:16] = sum[k:300000]((0.1 + a[i, mod(k, 7)]) * (0.1 + b[mod(k, 7), j]))\n"
     "y[i:2] = p[15 * i, 15 * i]\noutput y = y\n",
     2e-6,
     2,
     {3000, 3000}},
};
/* With activations in bf16. */
static const Case narrow_cases[] = {
    /* a number that bf16 holds, squared: 70,000 times 0.010019540786743164. All blocks of 512 are
     * the same sum and err the same way: one addition after the other, each of a part of it by half
     * a last place at most, is off by 512 / 2 x 2^-24 of the block, and by how much less is the
     * processor's matter. In one row that bound is two in a thousand. */
    {"long_product_in_bf16",
     "input a: real[40, 70000]\ninput b: real[70000, 40]\n"
     "p[i:40, j:40] = sum[k:70000]((0.10009765625 + a[i, k]) * (0.10009765625 + b[k, j]))\n"
     "y[i:2] = p[39 * i, 39 * i]\noutput y = y\n",
     1.6e-5,
     2,
     {701.367855072, 701.367855072}},
    /* Five runs of 32 in a row, summed and stored: 0 + .. + 159 is 12,720, and of mod(k, 5) 160 are
     * 320, to each of which the row is added: bf16 holds the results. */
    {"rows_by_runs",
     "input a: real[120, 160]\ninput b: real[160, 40]\n"
     "s[i:120] = sum[k:160](a[i, k] + real(k))\n"
     "z[i:120, k:160] = exp(a[i, k]) * (real(mod(k, 5)) + (real(i) + (s[i] - 12720.0)))\n"
     "p[i:120, j:40] = sum[k:160](z[i, k] * (1.0 + b[k, j]))\n"
     "y[r:4] = p[38 * r, 39 - r]\noutput y = y\n",
     0,
     4,
     {320, 6400, 12480, 18560}},
};
/* `product bf16`: factors of products are rounded, to even between two, and nothing else is. Of 64
 * terms the factor of rows 0 to 3 is 1 + 2^-9, 1 + 2^-8, 1 + 3 2^-8 and 1 + 2^-8 + 2^-20, which are
 * 1, 1, 1 + 2^-6 and 1 + 2^-7 in bf16; that of columns 1 + 2^-7, which is one, and 1 + 2^-8. The
 * first operand lies in memory as it is, and is the second output's sum. */
#define ROUNDED                                                                            \
  "input a: real[40, 64]\ninput b: real[64, 40]\n"                                         \
  "x[i:40, k:64] = a[i, k] + (mod(i, 4) == 0 ? 1.001953125 : mod(i, 4) == 1 ? 1.00390625 " \
  ": mod(i, 4) == 2 ? 1.01171875 : 1.0039072036743164)\n"                                  \
  "z[i:40, k:64] = exp(a[i, k]) * x[i, k]\n"                                               \
  "w[k:64, j:40] = b[k, j] + (mod(j, 2) == 0 ? 1.0078125 : 1.00390625)\n"
static const Case rounded_cases[] = {
    {"rounded_factors",
     ROUNDED "p[i:40, j:40] = sum[k:64](z[i, k] * w[k, j])\n"
             "y[r:8] = p[32 + mod(r, 4), r / 4]\noutput y = y\noutput z = z\n",
     0,
     8,
     {64.5, 64.5, 65.5078125, 65.00390625, 64, 64, 65, 64.5}},
    {"only_factors",
     ROUNDED "p[i:40, j:40] = sum[k:64](z[i, k] * w[k, j])\n"
             "q[i:40] = sum[k:64](z[i, k])\n"
             "y[r:4] = q[36 + r] + 0.0 * p[r, r]\noutput y = y\noutput p = p\n",
     0,
     4,
     {64.125, 64.25, 64.75, 64.25006103515625}},
};
enum {
  CASES = sizeof cases / sizeof *cases,
  NARROW = sizeof narrow_cases / sizeof *narrow_cases,
  ROUND = sizeof rounded_cases / sizeof *rounded_cases
};

static void expect(const Case *c, const char *by, const void *got, bool doubles, int64_t count) {
  assert_int_equal(count, c->n);
  for (int i = 0; i < c->n; i++) {
    const double x = doubles ? ((const double *)got)[i] : (double)((const float *)got)[i];
    const double want = c->want[i];
    if (isnan(want) ? !isnan(x) : !(x == want || fabs(x - want) <= c->within * fabs(want)))
      fail_msg("%s, by %s: element %d is %.9g, by hand %.9g", c->name, by, i, x, want);
  }
}

static void by_evaluator(const Case *c, Graph *g) {
  Eval *ev = eval_new(g, 1, 1);
  const char *why = eval_run(ev);
  if (why) fail_msg("%s: %s", c->name, why);
  const Node *y = g->outputs.at[0].node;
  expect(c, "the evaluator", eval_value(ev, g->outputs.at[0].node), true, ir_count(y));
  eval_free(ev);
}

/* Kernels with all options, then with none. */
static void by_kernels(const Case *c, Arena *arena, Graph *g, TdType act) {
  enum { OPTIONS = sizeof(BackendOptions) / sizeof(bool) };
  for (int all = 1; all >= 0; all--) {
    BackendOptions o = backend_defaults();
    bool *flag = &o.simplify;
    for (int k = 0; k < OPTIONS; k++) flag[k] = all;
    Backend *be = backend_new(arena, diags_new(arena), "test", &o);
    backend_activations(be, act);
    assert_true(backend_entry(be, g, "main"));
    Compiled *p = compiled_new(backend_finish(be), toolchain_flags());
    assert_non_null(p);
    compiled_run(p, 0, (TdControl){1, 1}, 3);
    TdType type;
    int64_t count;
    const void *got = compiled_output(p, 0, g->outputs.at[0].name, &type, &count);
    assert_int_equal(type, TD_F32);
    expect(c, all ? "kernels" : "plain kernels", got, false, count);
    compiled_free(p);
  }
}

static Graph *graph_of(const Case *c, Arena *arena) {
  Diags *d = diags_new(arena);
  const char *text = arena_printf(arena, "graph it\n%s", c->text);
  Graph *g = ir_parse(arena, interner_new(arena), d, diags_source(d, c->name, text, strlen(text)));
  if (!g) fail_msg("%s: %s", c->name, diags_count(d) ? diags_at(d, 0)->message : "no graph");
  const char *why = ir_verify(g);
  if (why) fail_msg("%s: %s", c->name, why);
  return g;
}

static void run_case(const Case *c, TdType act) {
  Arena *arena = arena_new();
  Graph *g = graph_of(c, arena);
  by_evaluator(c, g);
  by_kernels(c, arena, g, act);
  arena_free(arena);
}
static void holds(void **state) { run_case(*state, TD_F32); }
static void holds_narrow(void **state) { run_case(*state, TD_BF16); }

/* By every body of the tiles that the processor has. The evaluator rounds nothing. */
static void holds_rounded(void **state) {
  const Case *c = *state;
  static const char *const bodies[] = {NULL, "-DTD_NARROW_BODY=1", "-DTD_NARROW_BODY=0"};
  Arena *arena = arena_new();
  Graph *g = graph_of(c, arena);
  Backend *be = backend_new(arena, diags_new(arena), "test", NULL);
  backend_split(be, TD_SPLIT_BF16);
  assert_true(backend_entry(be, g, "main"));
  const TdProgram *program = backend_finish(be);
  for (int i = 0; i < 3; i++) {
    const char *flags[32], *const *usual = toolchain_flags();
    int n = 0;
#if defined __x86_64__
    if (i == 1 && !__builtin_cpu_supports("avx512bf16")) continue;
#else
    if (i == 1) continue;
#endif
    for (; usual[n]; n++) flags[n] = usual[n];
    assert_true(n < 30);
    flags[n++] = bodies[i];
    flags[n] = NULL;
    Compiled *p = compiled_new(program, flags);
    assert_non_null(p);
    compiled_run(p, 0, (TdControl){1, 1}, 3);
    TdType type;
    int64_t count;
    const void *got = compiled_output(p, 0, "y", &type, &count);
    assert_int_equal(type, TD_F32);
    expect(c, bodies[i] ? bodies[i] : "kernels", got, false, count);
    compiled_free(p);
  }
  arena_free(arena);
}

/* All cases as one program for CUDA, on the emulated device. */
static void on_cuda(const Case *all, int n, TdType act, int split) {
  Arena *arena = arena_new();
  Backend *be = backend_new(arena, diags_new(arena), "numbers", NULL);
  backend_for(be, backend_target("cuda"));
  backend_activations(be, act);
  backend_split(be, split);
  for (int i = 0; i < n; i++) /* as parts of one sampler they share translation units */
    assert_true(
        backend_entry(be, graph_of(&all[i], arena), arena_printf(arena, "sample.%s", all[i].name)));
  emulate(false);
  Session *s = emulated_session(backend_finish(be));
  assert_non_null(s);
  for (int i = 0; i < n; i++) {
    float got[MOST];
    TdError err = {0};
    const TdBuffer *b = session_output(s, i, "y");
    assert_non_null(b);
    assert_int_equal(b->type, TD_F32);
    assert_int_equal(b->count, all[i].n);
    session_run(s, i, 1, 1);
    if (!session_read_output(s, i, "y", 0, b->count, got, &err)) fail_msg("%s", err.message);
    expect(&all[i], "CUDA", got, false, b->count);
  }
  session_free(s);
  arena_free(arena);
}
static void holds_on_cuda(void **state) {
  (void)state;
  on_cuda(cases, CASES, TD_F32, TD_SPLIT_F32);
}
static void holds_narrow_on_cuda(void **state) {
  (void)state;
  on_cuda(narrow_cases, NARROW, TD_BF16, TD_SPLIT_F32);
}
static void holds_rounded_on_cuda(void **state) {
  (void)state;
  on_cuda(rounded_cases, ROUND, TD_F32, TD_SPLIT_BF16);
}

/* ---- a training step -------------------------------------------------------------------- */

/* The gradients of w are 3e20 and 4e20, whose squares are no floats, those of m are 1: clipped to
 * a norm of 1 they are 0.6, 0.8 and 2e-21. */
static const char large_gradients[] =
    "data text { source \"none\"  tokens chars  split 0.9 }\n"
    "dim I = 2, B = 1, L = 1, V = text.vocab\n"
    "param w[I] = 0\nparam m[I,I] = 0\n"
    "loss main(x: id<V>[B,L]) {\n"
    "  minimize sum[i](w[i] * (i == 0 ? 3e20 : 4e20)) + sum[i, j in I](m[i,j])\n}\n"
    "train { loss main  sgd(lr = 1, momentum = 0)  batch B  steps 1  clip 1 }\n";

static void open_model(Model *m, const char *path, const char *text) {
  FILE *f = fopen(path, "w");
  assert_non_null(f);
  assert_true(fputs(text, f) >= 0 && fclose(f) == 0);
  assert_true(model_open(m, path, NULL, 0, NULL, 4, NULL));
}

static void near(const char *by, double got, double want) {
  if (!(fabs(got - want) <= 1e-6 * fabs(want))) fail_msg("%s: %.9g for %.9g", by, got, want);
}

static void gradients_are_clipped(void **state) {
  (void)state;
  Model m;
  open_model(&m, "build/tests/large_gradients.td", large_gradients);
  int entry = 0;
  while (strcmp(m.unit->entries[entry].name, "train") != 0) entry++;
  Graph *g = m.unit->entries[entry].graph;
  Eval *ev = eval_new(g, 1, 1);
  assert_null(eval_run(ev));
  const double *w = eval_bind(ev, graph_leaf(g, N_STATE, "params.vector")),
               *v = eval_bind(ev, graph_leaf(g, N_STATE, "params.matrix"));
  near("evaluator", w[0], -0.6), near("evaluator", w[1], -0.8), near("evaluator", v[3], -2e-21);
  near("evaluator", *eval_value(ev, graph_output(g, "grad_norm")), 5e20);
  eval_free(ev);
  const TdProgram *program = m.unit->program;
  Compiled *p = compiled_new(program, toolchain_flags());
  assert_non_null(p);
  for (int i = 0; i < program->nentries; i++)
    if (strcmp(program->entries[i].name, "train") == 0) compiled_run(p, i, (TdControl){1, 1}, 3);
  for (int i = 0; i < program->nstates; i++) {
    const float *x = compiled_state(p, i);
    const char *name = program->states[i].name;
    if (strcmp(name, "params.matrix") == 0) near("kernels", (double)x[3], -2e-21);
    if (strcmp(name, "params.vector") == 0)
      near("kernels", (double)x[0], -0.6), near("kernels", (double)x[1], -0.8);
  }
  compiled_free(p);
  model_close(&m);
}

int main(void) {
  enum { OTHER = 4 };
  struct CMUnitTest tests[CASES + NARROW + ROUND + OTHER] = {
      cmocka_unit_test(gradients_are_clipped), cmocka_unit_test(holds_on_cuda),
      cmocka_unit_test(holds_narrow_on_cuda), cmocka_unit_test(holds_rounded_on_cuda)};
  for (int i = 0; i < CASES; i++)
    tests[i + OTHER] = (struct CMUnitTest){cases[i].name, holds, NULL, NULL, (void *)&cases[i]};
  for (int i = 0; i < NARROW; i++)
    tests[CASES + i + OTHER] = (struct CMUnitTest){narrow_cases[i].name, holds_narrow, NULL, NULL,
                                                   (void *)&narrow_cases[i]};
  for (int i = 0; i < ROUND; i++)
    tests[CASES + NARROW + i + OTHER] = (struct CMUnitTest){rounded_cases[i].name, holds_rounded,
                                                            NULL, NULL, (void *)&rounded_cases[i]};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
