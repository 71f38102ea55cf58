/* SPDX-License-Identifier: MIT */
/* Loops that are one kernel on CUDA: numbers worked out by hand, and graphs against the
 * evaluator, with every load and store watched on the emulated device; which loops become one,
 * what lies near, and why others stay kernel by kernel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/backend.h"
#include "compiler/cuda/cuda.h"
#include "tests/emulated.h"

/* ---- a graph, compiled ---------------------------------------------------------------------- */

typedef struct Built {
  Arena *arena;
  Graph *graph; /* as it was read */
  Target target;
  TdProgram *program;
  StrBuf plan;
  int kernels; /* that run loops */
} Built;

/* With these rules for loops, or the target's own. */
static void build(Built *b, const char *text, const TargetLoops *rules, TdType act) {
  *b = (Built){.arena = arena_new(), .target = cuda_target};
  b->graph = emulated_graph(b->arena, "it", text);
  if (rules) b->target.loops = *rules;
  Backend *be = backend_new(b->arena, diags_new(b->arena), "it", NULL);
  backend_for(be, &b->target);
  backend_activations(be, act);
  backend_dump(be, "plan", &b->plan);
  assert_true(backend_entry(be, b->graph, "sample.it"));
  b->program = backend_finish(be);
  for (int i = 0; i < b->program->nkernels; i++)
    b->kernels += strcmp(b->program->kernels[i].klass, "loop") == 0;
}

static void drop(Built *b) {
  sb_free(&b->plan);
  arena_free(b->arena);
}

static void wants_text(const Built *b, const char *text) {
  if (!strstr(b->plan.s, text)) fail_msg("'%s' is not in:\n%s", text, b->plan.s);
}

/* What the entry leaves is what the graph means, twice one after another. */
static void agrees(const Built *b, double within) {
  Session *s = emulated_session(b->program);
  assert_non_null(s);
  assert_int_equal(emulated_compare(s, 0, b->graph, 11, within, 2), 0);
  session_free(s);
}

/* One kernel, `plan` is in its plan, and it computes what the evaluator does. */
static void is_one(const char *text, const TargetLoops *rules, const char *plan) {
  Built b;
  build(&b, text, rules, TD_F32);
  wants_text(&b, plan);
  assert_true(b.kernels > 0);
  agrees(&b, 1e-5);
  drop(&b);
}

static void stays_apart(const char *text, const TargetLoops *rules, const char *why) {
  Built b;
  build(&b, text, rules, TD_F32);
  wants_text(&b, why);
  assert_int_equal(b.kernels, 0);
  agrees(&b, 1e-5);
  drop(&b);
}

/* ---- by hand --------------------------------------------------------------------------------- */

#define SUMS(direction)                                                                  \
  "input x: real[3, 2, 2]\ninput u: real[2, 2]\nz[b:2, k:2] = 0.0\n"                     \
  "loop t:3 " direction "{\n  carry h: real[2, 2] = z\n"                                 \
  "  n[b:2, k:2] = sum[j:2](h[b, j] * u[j, k])\n  m[b:2, k:2] = n[b, k] + x[@t, b, k]\n" \
  "  next h = m\n  emit 0 = m\n}\n"                                                      \
  "final y: real[2, 2] = h\nstack s: real[3, 2, 2] = t emit 0\noutput y = y\noutput s = s\n"

static void wants_output(Session *s, const char *name, const float *want, int n) {
  float got[16];
  TdError err = {0};
  assert_true(session_read_output(s, 0, name, 0, n, got, &err));
  for (int i = 0; i < n; i++)
    if (got[i] != want[i]) fail_msg("%s[%d] is %g, not %g", name, i, got[i], want[i]);
}

/* x[t, b, k] = t + 10 b + 100 k; u makes (p, q) to (p, 2 p + q). */
static void by_hand(const char *text, const float *y, const float *s) {
  Built b;
  TdError err = {0};
  float x[12];
  const float u[4] = {1, 2, 0, 1};
  for (int i = 0; i < 12; i++) x[i] = (float)(i / 4 + 10 * (i / 2 % 2) + 100 * (i % 2));
  build(&b, text, NULL, TD_F32);
  assert_int_equal(b.kernels, 1);
  wants_text(&b, " in one kernel, 1 of 2 rows a part; grid [2, 1, 1]");
  Session *session = emulated_session(b.program);
  assert_non_null(session);
  assert_true(session_set_reals(session, 0, "x", x, 12, &err));
  assert_true(session_set_reals(session, 0, "u", u, 4, &err));
  session_run(session, 0, 1, 1);
  wants_output(session, "y", y, 4);
  wants_output(session, "s", s, 12);
  session_free(session);
  drop(&b);
}

static void forward(void **state) {
  (void)state;
  by_hand(SUMS(""), (const float[]){3, 305, 33, 395},
          (const float[]){0, 100, 10, 110, 1, 201, 21, 241, 3, 305, 33, 395});
}

static void reverse(void **state) {
  (void)state;
  by_hand(SUMS("reverse "), (const float[]){3, 313, 33, 403},
          (const float[]){3, 313, 33, 403, 3, 207, 23, 247, 2, 102, 12, 112});
}

/* ---- recurrences ---------------------------------------------------------------------------- */

#define GRU(rows, count)                                                                    \
  "input x: real[" rows ", " count ", 3, 7]\ninput u: real[3, 7, 7]\ninput c: real[3, 7]\n" \
  "input h0: real[" rows ", 7]\n"                                                           \
  "loop t:" count " {\n  carry h: real[" rows ", 7] = h0\n"                                 \
  "  n[b:" rows ", g:3, k:7] = sum[j:7](h[b, j] * u[g, j, k])\n"                            \
  "  r[b:" rows ", k:7] = sigmoid(x[b, @t, 0, k] + c[0, k] + n[b, 0, k])\n"                 \
  "  z[b:" rows ", k:7] = sigmoid(x[b, @t, 1, k] + c[1, k] + n[b, 1, k])\n"                 \
  "  q[b:" rows ", k:7] = tanh(x[b, @t, 2, k] + c[2, k] + r[b, k] * n[b, 2, k])\n"          \
  "  m[b:" rows ", k:7] = (1.0 - z[b, k]) * q[b, k] + z[b, k] * h[b, k]\n  next h = m\n"

static void gru(void **state) {
  (void)state;
  is_one(GRU("5", "6") "  emit 0 = m\n}\nstack s: real[6, 5, 7] = t emit 0\noutput s = s\n", NULL,
         "loop t:6 in one kernel, 1 of 5 rows a part; grid [5, 1, 1]");
}

/* No stack: the carried value is written over. The last part has fewer rows than the others. */
static void parts_of_several_rows(void **state) {
  (void)state;
  TargetLoops rules = cuda_target.loops;
  rules.slices_most = 3;
  is_one(GRU("8", "6") "}\nfinal y: real[8, 7] = h\noutput y = y\n", &rules,
         "loop t:6 in one kernel, 3 of 8 rows a part; grid [3, 1, 1]");
}

/* Two carried values; layers around the loop, whose weights are a part of a stack each. */
#define LSTM(direction)                                                                        \
  "input x: real[4, 6, 4, 8]\ninput u: real[2, 4, 8, 8]\ninput c: real[2, 4, 8]\n"             \
  "input h0: real[4, 8]\n"                                                                     \
  "loop i:2 {\n  carry o: real[4, 8] = h0\n"                                                   \
  "  w[b:4, k:8] = o[b, k] * 0.5\n"                                                            \
  "  loop t:6 " direction "{\n    carry h: real[4, 8] = w\n    carry s: real[4, 8] = o\n"      \
  "    n[b:4, g:4, k:8] = sum[j:8](h[b, j] * u[@i, g, j, k]) + x[b, @t, g, k]\n"               \
  "    a[b:4, g:4, k:8] = n[b, g, k] + c[@i, g, k]\n"                                          \
  "    p[b:4, k:8] = sigmoid(a[b, 1, k]) * s[b, k] + sigmoid(a[b, 0, k]) * tanh(a[b, 2, k])\n" \
  "    q[b:4, k:8] = sigmoid(a[b, 3, k]) * tanh(p[b, k])\n"                                    \
  "    next h = q\n    next s = p\n    emit 0 = q\n  }\n"                                      \
  "  final f: real[4, 8] = h\n  final g: real[4, 8] = s\n"                                     \
  "  stack v: real[6, 4, 8] = t emit 0\n"                                                      \
  "  e[b:4, k:8] = f[b, k] + g[b, k] + v[2, b, k]\n  next o = e\n}\n"                          \
  "final y: real[4, 8] = o\noutput y = y\n"

static void lstm(void **state) {
  (void)state;
  Built b;
  build(&b, LSTM(""), NULL, TD_F32);
  wants_text(&b, "loop i:2, not one kernel: there is a loop in it {");
  wants_text(&b, "loop t:6 in one kernel, 1 of 4 rows a part");
  wants_text(&b, "near u[4, 8, 8], pitch 8, bytes 1024"); /* the layer's, not all layers' */
  wants_text(&b, "near c[4, 8], pitch 8, bytes 128");
  assert_int_equal(b.kernels, 1);
  agrees(&b, 1e-5);
  drop(&b);
  is_one(LSTM("reverse "), NULL, "loop t:6 reverse in one kernel");
}

/* A scan of maps: nothing is near, rows and columns are one index. */
static void scan(void **state) {
  (void)state;
  is_one("input a: real[5, 3, 20]\ninput x: real[5, 3, 20]\ninput h0: real[3, 20]\n"
         "loop t:5 {\n  carry h: real[3, 20] = h0\n"
         "  m[b:3, d:20] = sigmoid(a[@t, b, d]) * h[b, d] + x[@t, b, d]\n  next h = m\n"
         "  emit 0 = m\n}\nstack s: real[5, 3, 20] = t emit 0\noutput s = s\n",
         NULL, "loop t:5 in one kernel, 1 of 3 rows a part; grid [3, 1, 1]");
}

/* Sums along the last axis of u are as far apart as its rows, at an odd pitch; v, of which all
 * is summed up, is read by two variables there, which are not one. */
static void turned(void **state) {
  (void)state;
  is_one("input u: real[8, 8]\ninput v: real[4, 8]\ninput h0: real[4, 8]\n"
         "loop t:4 {\n  carry h: real[4, 8] = h0\n"
         "  n[b:4, k:8] = sum[j:8](h[b, j] * u[k, j])\n"
         "  g[b:4] = sum[i:4, j:8](v[i, j] * 0.1) + h[b, 0]\n"
         "  m[b:4, k:8] = tanh(n[b, k] + g[b])\n  next h = m\n}\n"
         "final y: real[4, 8] = h\noutput y = y\n",
         NULL, "near u[8, 8], pitch 9, bytes 288");
}

/* Two carried values that change places. */
static void exchanged(void **state) {
  (void)state;
  is_one("input h0: real[4, 8]\ninput g0: real[4, 8]\n"
         "loop t:5 {\n  carry h: real[4, 8] = h0\n  carry g: real[4, 8] = g0\n"
         "  s[b:4] = sum[k:8](h[b, k] * g[b, k])\n"
         "  m[b:4, k:8] = h[b, 7 - k] * 0.5 + s[b]\n"
         "  next h = g\n  next g = m\n}\n"
         "final y: real[4, 8] = h\nfinal z: real[4, 8] = g\noutput y = y\noutput z = z\n",
         NULL, "loop t:5 in one kernel, 1 of 4 rows a part");
}

/* Draws know step and iteration; a table is gathered from, by what is carried too. */
static void draws_and_tables(void **state) {
  (void)state;
  is_one("input w: real[10, 6]\ninput i: int[5, 4] in 0 .. 9\ninput h0: real[4, 6]\n"
         "loop t:5 {\n  carry h: real[4, 6] = h0\n"
         "  m[b:4, k:6] = h[b, k] * 0.5 + w[i[@t, b], k] + uniform(7, 24 * @t + 6 * b + k)\n"
         "  next h = m\n}\nfinal y: real[4, 6] = h\noutput y = y\n",
         NULL, "in one kernel, 1 of 4 rows a part");
}

/* Products are sums of rows then; as kernels of their own they are tiles. In bf16 as well. */
#define PRODUCTS                                                              \
  "input u: real[40, 40]\ninput x: real[3, 24, 40]\ninput h0: real[24, 40]\n" \
  "loop t:3 {\n  carry h: real[24, 40] = h0\n"                                \
  "  n[b:24, k:40] = sum[j:40](h[b, j] * u[j, k])\n"                          \
  "  m[b:24, k:40] = tanh(n[b, k] + x[@t, b, k])\n  next h = m\n}\n"          \
  "final y: real[24, 40] = h\noutput y = y\n"

static void products(void **state) {
  (void)state;
  is_one(PRODUCTS, NULL, "near u[40, 40], pitch 40, bytes 6400");
  Built b;
  build(&b, PRODUCTS, NULL, TD_BF16);
  assert_int_equal(b.kernels, 1);
  agrees(&b, 1e-5); /* nothing is rounded: h is carried in f32 */
  drop(&b);
}

/* The gradient of u is a sum over the batch in each iteration: it is made after the loop, of a
 * and h, which are stacked: 5 iterations of 4 x 8 numbers each, 1,280 bytes. */
#define GRADIENT                                                                     \
  "input x: real[5, 4, 8]\ninput z: real[4, 8]\ninput u0: real[8, 8]\n"              \
  "loop t:5 reverse {\n  carry h: real[4, 8] = z\n  carry u: real[8, 8] = u0\n"      \
  "  a[b:4, k:8] = tanh(h[b, 7 - k] * 0.5 + x[@t, b, k])\n"                          \
  "  p[j:8, k:8] = sum[b:4](a[b, k] * h[b, j])\n  q[j:8, k:8] = u[j, k] + p[j, k]\n" \
  "  next h = a\n  next u = q\n}\n"                                                  \
  "final y: real[4, 8] = h\nfinal du: real[8, 8] = u\noutput y = y\noutput du = du\n"

static void sums_over_the_batch(void **state) {
  (void)state;
  TargetLoops rules = cuda_target.loops;
  is_one(GRADIENT, NULL, "loop t:5 reverse in one kernel, 1 of 4 rows a part");
  rules.stacked = 1280;
  is_one(GRADIENT, &rules, "loop t:5 reverse in one kernel, 1 of 4 rows a part");
  rules.stacked = 1279;
  stays_apart(GRADIENT, &rules, "\n  carry u = b");
  rules = cuda_target.loops; /* 512 operations of an iteration take longer than a kernel's start */
  rules.kernel = 511 / cuda_target.rates.flops;
  stays_apart(GRADIENT, &rules, "\n  carry u = b");
}

/* ---- memory ---------------------------------------------------------------------------------- */

/* p lives no longer than q begins, in an iteration: in kernels one after another they would take
 * turns, but a part's p is there while another one's q is. */
static void temporaries_do_not_meet(void **state) {
  (void)state;
  static const char text[] =
      "input x: real[4, 40]\nloop t:4 {\n  carry h: real[4, 40] = x\n"
      "  p[b:4, k:40] = exp(h[b, k] * 0.1)\n"
      "  q[b:4, k:40] = sum[j:40](p[b, j] * 0.01 * real(j - k))\n"
      "  r[b:4, k:40] = sum[j:40](q[b, 39 - j] * 0.01 * real(j + k))\n"
      "  m[b:4, k:40] = sum[j:40](r[b, j] * 0.1 + h[b, k])\n  next h = m\n}\n"
      "final y: real[4, 40] = h\noutput y = y\n";
  Built b;
  build(&b, text, NULL, TD_F32);
  assert_int_equal(b.kernels, 1);
  const TdEntry *e = &b.program->entries[0];
  for (int i = 0; i < e->nsteps; i++) {
    if (e->steps[i].kind != TD_LAUNCH) continue;
    for (int k = 0; k < e->steps[i].nargs; k++)
      for (int m = 0; m < k; m++) {
        const TdBuffer *x = &e->buffers[e->steps[i].args[k]], *y = &e->buffers[e->steps[i].args[m]];
        if (x->kind != TD_TEMP || y->kind != TD_TEMP) continue;
        assert_true(x->offset + x->bytes <= y->offset || y->offset + y->bytes <= x->offset);
      }
  }
  agrees(&b, 1e-5);
  drop(&b);
}

/* ---- others ---------------------------------------------------------------------------------- */

#define BODY(text)                                                    \
  "input x: real[4, 8]\nloop t:4 {\n  carry h: real[4, 8] = x\n" text \
  "}\nfinal y: real[4, 8] = h\noutput y = y\n"

static void other_rows(void **state) {
  (void)state;
  stays_apart(BODY("  m[b:4, k:8] = h[3 - b, k] * 0.5 + x[b, k]\n  next h = m\n"), NULL,
              "loop t:4, not one kernel: 'm' reads 'h' of other rows {");
  /* all of the batch, as a normalisation over it would */
  stays_apart(BODY("  s[k:8] = sum[b:4](h[b, k])\n  m[b:4, k:8] = h[b, k] - s[k] * 0.2\n"
                   "  next h = m\n"),
              NULL, "not one kernel: ");
  stays_apart("input x: real[8, 8]\nloop t:4 {\n  carry h: real[8, 8] = x\n"
              "  m[b:8, k:8] = h[k, b] * 0.5\n  next h = m\n}\nfinal y: real[8, 8] = h\n"
              "output y = y\n",
              NULL, "not one kernel: ");
}

/* x is read anywhere: nobody writes it. */
static void outside_is_read_anywhere(void **state) {
  (void)state;
  is_one(BODY("  m[b:4, k:8] = h[b, k] * 0.5 + x[3 - b, k]\n  next h = m\n"), NULL,
         "in one kernel, 1 of 4 rows a part");
}

static void other_kinds(void **state) {
  (void)state;
  stays_apart(BODY("  scatter m: real[4, 8] over [v0:4, v1:8] at [v0, mod(3 * v1, 8)] "
                   "add h[v0, v1] * 0.5\n  next h = m\n"),
              NULL, "not one kernel: 'm' is a scatter {");
  stays_apart("input x: real[40]\nz[] = 0.0\nloop t:4 {\n  carry h: real = z\n"
              "  m[] = sum[k:40](x[k] * 0.1) + h[]\n  next h = m\n}\nfinal y: real = h\n"
              "output y = y\n",
              NULL, "has no rows {");
}

/* What a kernel by itself takes at least, and what a part can read, decide. */
static void quicker_apart(void **state) {
  (void)state;
  TargetLoops rules = cuda_target.loops;
  rules.kernel = 0;
  stays_apart(PRODUCTS, &rules, "not one kernel: kernels of its own are quicker: ");
  rules = cuda_target.loops;
  rules.near = 6399;         /* u does not fit by a byte, */
  rules.bytes = 6560 / 1e-3; /* and takes, with a row of x, a millisecond */
  stays_apart(PRODUCTS, &rules, "an iteration takes 1e+03 us in one, else ");
  rules.bytes = 1e11;
  is_one(PRODUCTS, &rules,
         "loop t:3 in one kernel, 1 of 24 rows a part; grid [24, 1, 1], "
         "block [64, 1, 1], shared 192;");
  rules.any = false;
  stays_apart(PRODUCTS, &rules, "loop t:3 {");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(forward),
      cmocka_unit_test(reverse),
      cmocka_unit_test(gru),
      cmocka_unit_test(parts_of_several_rows),
      cmocka_unit_test(lstm),
      cmocka_unit_test(scan),
      cmocka_unit_test(turned),
      cmocka_unit_test(exchanged),
      cmocka_unit_test(draws_and_tables),
      cmocka_unit_test(products),
      cmocka_unit_test(sums_over_the_batch),
      cmocka_unit_test(temporaries_do_not_meet),
      cmocka_unit_test(other_rows),
      cmocka_unit_test(outside_is_read_anywhere),
      cmocka_unit_test(other_kinds),
      cmocka_unit_test(quicker_apart),
  };
  emulate(true);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
