/* SPDX-License-Identifier: MIT */
/* Rows that are looked up and multiplied: a product of the table in their place, and gradients of
 * what equal rows are multiplied by, hold the numbers that they have by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/backend.h"
#include "compiler/eval/eval.h"
#include "compiler/ir/text.h"
#include "compiler/passes/pipeline.h"
#include "tests/compiled.h"

enum { B = 8, T = 32, V = 16, D = 64, K = 48, UNUSED = V - 1 };

/* Positions [t, b] as a recurrence leaves them; nobody looks up the last row. */
static const char text[] =
    "graph embedded\n"
    "input x: int[8, 32] in 0 .. 15\n"
    "input e: real[32, 8, 48]\n"
    "state table: real[16, 64]\n"
    "state w: real[64, 48]\n"
    "emb[b:8, t:32, d:64] = table[x[b, t], d]\n"
    "y[b:8, t:32, k:48] = sum[d:64](emb[b, t, d] * w[d, k])\n"
    "e2[b:8, t:32, k:48] = e[t, b, k]\n"
    "dw[d:64, k:48] = sum[b:8, t:32](0.5 * emb[b, t, d] * e2[b, t, k])\n"
    "demb[b:8, t:32, d:64] = sum[k:48](e2[b, t, k] * w[d, k])\n"
    "scatter dtable: real[16, 64] over [b:8, t:32, d:64] at [x[b, t], d] add demb[b, t, d]\n"
    "output y = y\n"
    "output dw = dw\n"
    "output dtable = dtable\n";

/* 256 positions are seventeen times 0 .. 14, and 0 once more. */
static int symbol(int b, int t) { return (T * b + t) % UNUSED; }
static int count_of(int v) { return v == UNUSED ? 0 : v == 0 ? 18 : 17; }

/* Integers and halves of them, which floats add exactly in any order. */
static double table_at(int v, int d) { return v == UNUSED ? NAN : (v + 1) * (d % 4 - 1); }
static double weight_at(int d, int k) { return (d % 2 ? 1 : 2) * (k - 20); }
static double adjoint_at(int k) { return k + 1; } /* e, the same at all positions */

/* sum over d of (d % 4 - 1) weight: of four that follow each other, (-2 + 0 + 2 + 2) (k - 20). */
static double y_at(int b, int t, int k) { return (symbol(b, t) + 1) * 2.0 * (D / 4) * (k - 20); }

/* The sum of symbol + 1 over all positions. */
static const double all_rows = 17 * 120 + 1;
static double dw_at(int d, int k) { return 0.5 * all_rows * (d % 4 - 1) * (k + 1); }

/* sum over k of (k + 1)(k - 20) = 35720 - 19 * 1128 - 48 * 20 = 13328, times the weight's 1 or 2 */
static double dtable_at(int v, int d) { return count_of(v) * 13328.0 * (d % 2 ? 1 : 2); }

typedef struct Values {
  const double *y, *dw, *dtable;
} Values;

static void check(const Values *got, bool infinite) {
  for (int b = 0; b < B; b++)
    for (int t = 0; t < T; t++)
      for (int k = 0; k < K && !infinite; k++)
        assert_true(got->y[(b * T + t) * K + k] == y_at(b, t, k));
  for (int d = 0; d < D; d++)
    for (int k = 0; k < K; k++) assert_true(got->dw[d * K + k] == dw_at(d, k));
  for (int v = 0; v < V; v++)
    for (int d = 0; d < D; d++) {
      double want = infinite && d == 6 && v != UNUSED ? INFINITY : dtable_at(v, d);
      assert_true(got->dtable[v * D + d] == want);
    }
}

static double value_of(const char *name, int64_t i, bool infinite) {
  if (strcmp(name, "x") == 0) return symbol((int)i / T, (int)i % T);
  if (strcmp(name, "e") == 0) return adjoint_at((int)i % K);
  if (strcmp(name, "table") == 0) return table_at((int)i / D, (int)i % D);
  return infinite && i == 6 * K + 3 ? INFINITY : weight_at((int)i / K, (int)i % K);
}

static Graph *read_graph(Arena *a) {
  Diags *d = diags_new(a);
  Graph *g = ir_parse(a, interner_new(a), d, diags_source(d, "test.ir", text, strlen(text)));
  assert_non_null(g);
  return g;
}

static int scatters(const Graph *g) {
  int n = 0;
  for (int i = 0; i < g->top->nodes.n; i++) n += g->top->nodes.at[i]->kind == N_SCATTER;
  return n;
}

static void evaluate(Graph *g, bool infinite) {
  Eval *ev = eval_new(g, 1, 1);
  for (int i = 0; i < g->top->nodes.n; i++) {
    Node *n = g->top->nodes.at[i];
    if (n->kind != N_INPUT && n->kind != N_STATE) continue;
    double *to = eval_bind(ev, n);
    for (int64_t k = 0; k < ir_count(n); k++) to[k] = value_of(n->name, k, infinite);
  }
  assert_null(eval_run(ev));
  check(&(Values){eval_value(ev, g->outputs.at[0].node), eval_value(ev, g->outputs.at[1].node),
                  eval_value(ev, g->outputs.at[2].node)},
        infinite);
  eval_free(ev);
}

/* By the definition, and as the pass leaves it: a product of 16 rows in place of 256, and sums by
 * symbols and how many there are in place of the rows that were added to the table. */
static void evaluator_agrees(void **state) {
  (void)state;
  Arena *a = arena_new();
  Graph *g = read_graph(a);
  const PassOptions every = pass_options(backend_target("cpu"));
  assert_int_equal(scatters(g), 1);
  evaluate(g, false);
  evaluate(g, true);
  assert_true(pipeline_run_one(g, &every, "gather"));
  assert_int_equal(scatters(g), 2);
  evaluate(g, false);
  evaluate(g, true);
  arena_free(a);
}

static void kernels_agree(void **state) {
  (void)state;
  Arena *a = arena_new();
  Graph *g = read_graph(a);
  BackendOptions options = backend_defaults();
  Backend *be = backend_new(a, diags_new(a), "embedded", &options);
  assert_true(backend_entry(be, g, "main"));
  const TdProgram *p = backend_finish(be);
  /* 256 positions x 64 x 48, thrice, was what the definition multiplies */
  assert_true(p->entries[0].flops < 2.0 * B * T * D * K);
  Compiled *c = compiled_new(p, NULL);
  assert_non_null(c);
  for (int infinite = 0; infinite < 2; infinite++)
    for (int64_t chunk = 1; chunk < 100; chunk += 98) {
      for (int s = 0; s < p->nstates; s++) {
        float *to = compiled_state(c, s);
        for (int64_t i = 0; i < p->states[s].count; i++)
          to[i] = (float)value_of(p->states[s].name, i, infinite);
      }
      int32_t *x = compiled_input(c, 0, "x");
      float *e = compiled_input(c, 0, "e");
      for (int64_t i = 0; i < B * T; i++) x[i] = (int32_t)value_of("x", i, infinite);
      for (int64_t i = 0; i < B * T * K; i++) e[i] = (float)value_of("e", i, infinite);
      compiled_run(c, 0, (TdControl){7, 1}, chunk);
      static const char *const names[] = {"y", "dw", "dtable"};
      const double *out[3];
      for (int i = 0; i < 3; i++) {
        TdType type;
        int64_t count;
        const float *from = compiled_output(c, 0, names[i], &type, &count);
        double *to = NEWN(a, double, (size_t)count);
        for (int64_t k = 0; k < count; k++) to[k] = from[k];
        out[i] = to;
      }
      check(&(Values){out[0], out[1], out[2]}, infinite);
    }
  compiled_free(c);
  arena_free(a);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(evaluator_agrees),
      cmocka_unit_test(kernels_agree),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
