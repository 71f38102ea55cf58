/* SPDX-License-Identifier: MIT */
/* Products of CUDA whose sums are made apart from what follows them: by a library, or by pieces of
 * k. Numbers worked out by hand, and graphs against the evaluator, with every load and store
 * watched on the emulated device; what the plans are stands in tests/plan/cuda_*.plan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/backend.h"
#include "compiler/cuda/cuda.h"
#include "tests/emulated.h"

typedef struct Built {
  Arena *arena;
  Graph *graph; /* as it was read */
  Target target;
  TdProgram *program;
  StrBuf plan;
  int products; /* of the library */
} Built;

/* `apart`: the library is taken wherever it can be. */
static void build(Built *b, const char *text, TdType act, bool apart) {
  *b = (Built){.arena = arena_new(), .target = cuda_target};
  b->graph = emulated_graph(b->arena, "it", text);
  if (apart) b->target.products.own = (TargetSpeed){1, 1};
  Backend *be = backend_new(b->arena, diags_new(b->arena), "it", NULL);
  backend_for(be, &b->target);
  backend_activations(be, act);
  backend_dump(be, "plan", &b->plan);
  assert_true(backend_entry(be, b->graph, "main"));
  b->program = backend_finish(be);
  for (int i = 0; i < b->program->nkernels; i++)
    b->products += b->program->kernels[i].kind == TD_PRODUCT;
}

static void drop(Built *b) {
  sb_free(&b->plan);
  arena_free(b->arena);
}

static void wants_text(const Built *b, const char *text) {
  if (!strstr(b->plan.s, text)) fail_msg("'%s' is not in:\n%s", text, b->plan.s);
}

/* What the entry leaves is what the graph means, twice one after another. */
static void agrees(const char *text, TdType act, int products, double within) {
  Built b;
  build(&b, text, act, true);
  if (b.products != products) fail_msg("%d products of a library in:\n%s", b.products, b.plan.s);
  Session *s = emulated_session(b.program);
  assert_non_null(s);
  assert_int_equal(emulated_compare(s, 0, b.graph, 11, within, 2), 0);
  session_free(s);
  drop(&b);
}

/* ---- pieces ---------------------------------------------------------------------------------- */

/* x[b, l, i] = (b + 1) (i + 1) and d[b, l, j] = j + 1, but that l = 127 counts twice: of 4 x 128
 * terms the sum is 10 * 129 (i + 1) (j + 1), that of each b (b + 1) * 129 (i + 1) (j + 1). All
 * factors are whole numbers that bf16 has, all sums below 2^24. 1 x 1 tile, and 4 pieces of 128
 * terms: one for each b. */
enum { B = 4, L = 128, M = 8, N = 8 };

#define NARROW(d)                                                                    \
  "input x: real[4, 128, 8]\ninput d: real[4, 128, 8]\n"                             \
  "y[i:8, j:8] = sum[b:4, l:128](x[b, l, i] * " d ")\nz[i:8, j:8] = y[i, j] + 0.5\n" \
  "output y = y\noutput z = z\n"

static void sums_by_hand(const char *text, TdType act, int products) {
  Built b;
  TdError err = {0};
  float x[B][L][M], d[B][L][N], y[M][N], z[M][N];
  for (int k = 0; k < B; k++)
    for (int l = 0; l < L; l++)
      for (int i = 0; i < M; i++) {
        x[k][l][i] = (float)((k + 1) * (i + 1));
        d[k][l][i] = (float)((i + 1) * (l == L - 1 ? 2 : 1));
      }
  build(&b, text, act, false);
  wants_text(&b, "product batch 4, m 8, n 8, k 128");
  wants_text(&b, "y[r0, 8] = sum over [4]");
  assert_int_equal(b.products, products);
  Session *s = emulated_session(b.program);
  assert_non_null(s);
  assert_true(session_set_reals(s, 0, "x", &x[0][0][0], B * L * M, &err));
  assert_true(session_set_reals(s, 0, "d", &d[0][0][0], B * L * N, &err));
  session_run(s, 0, 1, 1);
  assert_true(session_read_output(s, 0, "y", 0, M * N, &y[0][0], &err));
  assert_true(session_read_output(s, 0, "z", 0, M * N, &z[0][0], &err));
  for (int i = 0; i < M; i++)
    for (int j = 0; j < N; j++) {
      float want = 1290.0f * (float)((i + 1) * (j + 1));
      if (y[i][j] != want || z[i][j] != want + 0.5f)
        fail_msg("y[%d, %d] is %g, z %g, not %g", i, j, y[i][j], z[i][j], want);
    }
  session_free(s);
  drop(&b);
}

static void pieces_by_hand(void **state) {
  (void)state;
  sums_by_hand(NARROW("d[b, l, j]"), TD_F32, 1);
  sums_by_hand(NARROW("max(d[b, l, j], 0.0)"), TD_F32, 0);
  sums_by_hand(NARROW("d[b, l, j]"), TD_BF16, 0); /* inputs are f32: no library's */
}

/* k is cut inside its second variable: 3 x 2 of 150 terms; by a condition; an empty sum. */
static void pieces_agree(void **state) {
  (void)state;
  agrees("input x: real[3, 300, 20]\ninput d: real[3, 300, 70]\n"
         "y[i:20, j:70] = sum[b:3, l:300](x[b, l, i] * max(d[b, l, j], 0.0))\noutput y = y\n",
         TD_F32, 0, 1e-4);
  agrees("input x: real[1024, 20]\ninput d: real[1024, 70]\n"
         "y[i:20, j:70] = sum[l:1024 | l < 700](x[l, i] * d[l, j])\n"
         "z[i:20, j:70] = exp(0.01 * y[i, j])\noutput z = z\n",
         TD_F32, 0, 1e-4);
  agrees("input x: real[1024, 20]\ninput d: real[1024, 70]\ninput w: real[20]\n"
         "y[i:20, j:70] = sum[l:1024 | w[i] < -9.0](x[l, i] * d[l, j] * (1.0 / w[i]))\n"
         "output y = y\n",
         TD_F32, 0, 1e-4);
}

/* ---- a library's, whatever follows --------------------------------------------------------- */

/* Bias and gelu, a mask that is drawn, a residual and a norm's mean with it; sums over columns. */
#define LAYER                                                                                 \
  "input x: real[160, 24]\nstate w: real[24, 40]\nstate c: real[40]\nstate v: real[40, 24]\n" \
  "y[i:160, j:40] = sum[k:24](x[i, k] * w[k, j])\n"                                           \
  "g[i:160, j:40] = (y[i, j] + c[j]) * 0.5 * (1.0 + erf(0.7 * (y[i, j] + c[j])))\n"           \
  "z[i:160, j:24] = sum[k:40](g[i, k] * v[k, j])\n"                                           \
  "r[i:160, j:24] = x[i, j] + (uniform(3, 24 * i + j) < 0.9 ? z[i, j] / 0.9 : 0.0)\n"         \
  "m[i:160] = sum[j:24](r[i, j])\nn[i:160, j:24] = r[i, j] - m[i] / 24.0\n"                   \
  "b[j:24] = sum[i:160](r[i, j])\noutput n = n\noutput b = b\n"

static void maps_behind_agree(void **state) {
  (void)state;
  agrees(LAYER, TD_F32, 2, 1e-4);
}

/* 160 x 40 of 24 terms take less than a launch. */
static void small_ones_stay(void **state) {
  (void)state;
  Built b;
  build(&b, LAYER, TD_F32, false);
  assert_int_equal(b.products, 0);
  drop(&b);
}

int main(void) {
  emulate(true);
  setenv("TDC_EMU_ZEROS", "1", 1); /* what checks the library counts from 0 */
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(pieces_by_hand), cmocka_unit_test(pieces_agree),
      cmocka_unit_test(maps_behind_agree), cmocka_unit_test(small_ones_stay)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
