/* SPDX-License-Identifier: MIT */
/* How groups are cut into blocks of threads, by extents that were worked through by hand. No
 * kernel runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/backend.h"
#include "compiler/ir/text.h"

static const TdProgram *program_as(Arena *a, TdType act, int split, const char *text) {
  Diags *d = diags_new(a);
  text = arena_printf(a, "graph it\n%s", text);
  Graph *g = ir_parse(a, interner_new(a), d, diags_source(d, "it", text, strlen(text)));
  if (!g) fail_msg("%s", diags_count(d) ? diags_at(d, 0)->message : "no graph");
  Backend *be = backend_new(a, diags_new(a), "it", NULL);
  backend_for(be, backend_target("cuda"));
  backend_activations(be, act);
  backend_split(be, split);
  if (!backend_entry(be, g, "main")) fail_msg("it is not compiled:\n%s", text);
  return backend_finish(be);
}

static const TdProgram *program_of(Arena *a, TdType act, const char *text) {
  return program_as(a, act, TD_SPLIT_F32, text);
}

/* The launch whose kernel's comment or text has `what`. */
static const TdKernel *kernel_with(const TdProgram *p, const char *what) {
  for (int i = 0; i < p->nkernels; i++)
    if (p->kernels[i].source &&
        (strstr(p->kernels[i].source, what) || strstr(p->kernels[i].comment, what)))
      return &p->kernels[i];
  fail_msg("no kernel with '%s'", what);
  return NULL;
}

/* Rounds are tiles by 132 processors; a round of a tile takes its area by its share of the peak:
 *     8192 x 384     128 x 128: 192 tiles, 2 rounds, 328; 64 x 128: 384, 3, 289; 128 x 64: 3, 307
 *     8192 x 1536    128 x 128: 768 tiles, 6 rounds, 983; 64 x 128: 12, 1157
 *     192 of 256 x 64    128 x 128: 384, 3, 492; 64 x 128: 6, 578; 128 x 64: 3, 307; 64 x 64: 378
 *     8192 x 28      128 x 128: 64 tiles, 1 round, 164; 64 x 64: 128, 1, 63 */
static void test_tiles(void **state) {
  (void)state;
  static const struct {
    int batch, m, n, k, rows, columns, tiles;
  } all[] = {{1, 8192, 384, 96, 64, 128, 384},
             {1, 8192, 1536, 96, 128, 128, 768},
             {192, 256, 64, 256, 128, 64, 384},
             {1, 8192, 28, 384, 64, 64, 128},
             {1, 768, 768, 8192, 64, 64, 144}}; /* many terms: sums by parts */
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    Arena *a = arena_new();
    int b = all[i].batch, m = all[i].m, n = all[i].n, k = all[i].k;
    const TdProgram *p = program_of(
        a, TD_BF16,
        arena_printf(a,
                     "input a: real[%d, %d, %d]\ninput b: real[%d, %d, %d]\n"
                     "y[c:%d, i:%d, j:%d] = sum[k:%d](max(a[c, i, k], 0.0) * b[c, k, j])\n"
                     "output y = y\n",
                     b, m, k, b, k, n, b, m, n, k));
    const TdKernel *kernel = kernel_with(p, "td_mma_bf16");
    const char *tile = arena_printf(a, "a block for %d x %d ", all[i].rows, all[i].columns);
    if (!strstr(kernel->comment, tile)) fail_msg("not %s: %s", tile, kernel->comment);
    assert_int_equal(kernel->launch.gpu.grid[0], all[i].tiles);
    arena_free(a);
  }
}

/* What a product leaves is bf16 and copied by the next one, as many steps ahead as shared memory
 * of 48 KB has tiles for, and no more than there are steps; what is computed goes by registers. */
static void test_stages(void **state) {
  (void)state;
  static const struct {
    int n, k, rounds; /* n of the second product, its terms; of what waits for copies */
    size_t shared;
  } all[] = {{64, 128, 2, 4 * 128 * 64},    /* 4 steps: 4 tiles of 64 + 64 rows of 64 bytes */
             {64, 96, 1, 3 * 128 * 64},     /* 3 steps */
             {64, 32, 0, 2 * 128 * 64},     /* one */
             {4096, 128, 1, 3 * 256 * 64}}; /* 16 x 32 tiles of 128 + 128 rows */
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    Arena *a = arena_new();
    int m = 2048, n = all[i].n, k = all[i].k;
    const TdProgram *p = program_of(
        a, TD_BF16,
        arena_printf(a,
                     "input a: real[%d, 64]\ninput b: real[64, %d]\ninput c: real[%d, %d]\n"
                     "x[i:%d, k:%d] = sum[v:64](a[i, v] * b[v, k])\n"
                     "y[i:%d, j:%d] = sum[k:%d](x[i, k] * c[k, j])\nz[i:%d, j:%d] = max(y[i, j], "
                     "0.0)\noutput z = z\n",
                     m, k, k, n, m, k, m, n, k, m, n));
    const TdKernel *kernel = kernel_with(p, "td_copy_async");
    assert_non_null(strstr(kernel->source, arena_printf(a, "td_wait(%d);", all[i].rounds)));
    assert_null(strstr(kernel->source, "left_next"));      /* copied */
    assert_non_null(strstr(kernel->source, "right_next")); /* rounded to bf16 on its way */
    assert_int_equal(kernel->launch.gpu.shared, all[i].shared);
    arena_free(a);
  }
}

static int times(const char *text, const char *what) {
  int n = 0;
  for (const char *at = text; (at = strstr(at, what)); at += strlen(what)) n++;
  return n;
}

/* A norm's gradient: 8192 rows in pieces of 16 are 512 blocks, whose 8 warps have two rows each.
 * Each warp's sums are 384 floats: 8 x 1536 bytes behind 128 for reductions. All of a block wait
 * for each other once. 1056 columns are too many for a warp: a row is a block's, with the sums
 * in shared memory once. */
static void test_turns(void **state) {
  (void)state;
  static const struct {
    int columns;
    size_t shared;
    bool turns;
  } all[] = {{384, 128 + 8 * 1536, true}, {1056, 128 + 4224, false}};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    Arena *a = arena_new();
    int n = all[i].columns;
    const TdProgram *p =
        program_of(a, TD_F32,
                   arena_printf(a,
                                "input x: real[8192, %d]\ninput w: real[%d]\n"
                                "m[b:8192] = sum[d:%d](x[b, d] * w[d])\n"
                                "g[b:8192, d:%d] = x[b, d] - m[b] * w[d]\n"
                                "c[d:%d] = sum[b:8192](g[b, d])\noutput g = g\noutput c = c\n",
                                n, n, n, n, n));
    const TdKernel *k = kernel_with(p, "row_end");
    assert_int_equal(k->launch.gpu.grid[0], 512);
    assert_int_equal(k->launch.gpu.block[0], 256);
    assert_int_equal(k->launch.gpu.resident, 4);
    assert_int_equal(k->launch.gpu.shared, all[i].shared);
    assert_int_equal(strstr(k->source, "td_warp_sum") != NULL, all[i].turns);
    if (all[i].turns) assert_int_equal(times(k->source, "td_barrier();"), 1);
    arena_free(a);
  }
}

/* Rows of a table by symbols: columns go by 64, 6 times for 384. 65 rows are a block each; 50257
 * would be 301542 blocks, more than 16 for each of 132 processors at 2, 4 and 8 rows too, and 8 of
 * 64 numbers are the most: 6283 times 6. Shared memory is eight warps' sums in double and lists of
 * 160 pairs. Few positions, and a guard that asks for the column, are looked for one by one. */
static void test_scatters(void **state) {
  (void)state;
  static const struct {
    int rows, positions, width;
    const char *guard, *form;
    int blocks;
    size_t shared;
  } all[] = {{65, 8192, 384, "", "td_ballot", 65 * 6, 8 * (64 * 8 + 160 * 8)},
             {50257, 8192, 384, "", "row < 8", 6283 * 6, 8 * (512 * 8 + 160 * 8)},
             {65, 512, 24, "", "td_ballot", 65, 8 * (32 * 8 + 160 * 8)},
             {65, 511, 24, "", "number >= ", 7, 0}, /* 1560 numbers, 256 a block */
             {65, 8192, 384, " | v0 < v1", "number >= ", 98, 0},
             {65, 8192, 384, " | v0 < 100", "td_ballot", 65 * 6, 8 * (64 * 8 + 160 * 8)}};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    Arena *a = arena_new();
    int rows = all[i].rows, positions = all[i].positions, width = all[i].width;
    const TdProgram *p = program_of(
        a, TD_F32,
        arena_printf(a,
                     "input x: int[%d] in 0 .. %d\ninput g: real[%d, %d]\n"
                     "scatter e: real[%d, %d] over [v0:%d, v1:%d%s] at [x[v0], v1] add g[v0, v1]\n"
                     "output e = e\n",
                     positions, rows - 1, positions, width, rows, width, positions, width,
                     all[i].guard));
    const TdKernel *kernel = kernel_with(p, all[i].form);
    assert_int_equal(kernel->launch.gpu.grid[0], all[i].blocks);
    assert_int_equal(kernel->launch.gpu.shared, all[i].shared);
    arena_free(a);
  }
}

/* Two matrices in f32 are a library's product as they are; where they are rounded they are tensor
 * cores', by way of registers. */
static void test_rounded_products(void **state) {
  (void)state;
  static const char text[] = "input a: real[256, 64]\ninput b: real[64, 256]\n"
                             "y[i:256, j:256] = sum[k:64](a[i, k] * b[k, j])\noutput y = y\n";
  Arena *a = arena_new();
  const TdProgram *p = program_as(a, TD_F32, TD_SPLIT_F32, text);
  assert_int_equal(p->nkernels, 1);
  assert_int_equal(p->kernels[0].kind, TD_PRODUCT);
  p = program_as(a, TD_F32, TD_SPLIT_BF16, text);
  assert_int_equal(p->nkernels, 1);
  const TdKernel *kernel = kernel_with(p, "td_mma_bf16");
  assert_non_null(strstr(kernel->source, "left_next"));
  assert_non_null(strstr(kernel->source, "right_next"));
  assert_true(kernel->narrow_flops == 2.0 * 256 * 256 * 64);
  arena_free(a);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_tiles), cmocka_unit_test(test_stages),
                                     cmocka_unit_test(test_turns), cmocka_unit_test(test_scatters),
                                     cmocka_unit_test(test_rounded_products)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
