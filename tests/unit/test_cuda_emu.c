/* SPDX-License-Identifier: MIT */
/* Kernels on the emulated device (tests/cuda_emu/): right ones give numbers that were worked
 * out, however threads are interleaved, with loads and stores checked and not; and each
 * mistake in them is told, by its kind, the kernel and the place. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/cuda_emu/loaded.h"

/* ---- kernels --------------------------------------------------------------------------- */

typedef struct Arguments {
  CUdeviceptr x, y, z;
  int64_t n;
} Arguments;

#define TOP(name) "TD_KERNEL(256, 1) " name "(float *x, float *y, unsigned *z, long long n)\n{\n"

/* Line 6 adds lanes, 8 a warp's sum for all, 10 sums of warps. */
static const char row_sums[] =
    TOP("row_sums") "  float *all = (float *)td_shared_memory(), s = 0.0f;\n"
                    "  const float *row = x + td_block() * n;\n"
                    "  for (long long i = td_thread(); i < n; i += td_threads()) s += row[i];\n"
                    "  for (int mask = 1; mask < 32; mask *= 2) s += td_shuffle_xor(s, mask);\n"
                    "  if (td_thread() % 32 == 0) all[td_thread() / 32] = s;\n"
                    "  td_barrier();\n"
                    "  s = 0.0f;\n"
                    "  for (int w = 0; w < td_threads() / 32; w++) s += all[w];\n"
                    "  td_barrier(); /* before all[0] changes */\n"
                    "  if (td_thread() == 0) all[0] = s;\n"
                    "  if (td_thread() == 0) y[td_block()] = s;\n"
                    "}\n";

/* y = x x', x of 16 rows and n columns, by tiles of 16 x 16 in shared memory. */
static const char tiles[] =
    TOP("tiles") "  float (*a)[17] = (float (*)[17])td_shared_memory(), s = 0.0f;\n"
                 "  const int row = td_thread() / 16, column = td_thread() % 16;\n"
                 "  for (long long k = 0; k < n; k += 16) {\n"
                 "    a[row][column] = k + column < n ? x[row * n + k + column] : 0.0f;\n"
                 "    td_barrier();\n"
                 "    for (int l = 0; l < 16; l++) s = td_fma(a[row][l], a[column][l], s);\n"
                 "    td_barrier(); /* before the next tile */\n"
                 "  }\n"
                 "  y[td_thread()] = s;\n"
                 "}\n";

/* y[0] = sum of x, a part of it by each block and the parts by the block that ends last. */
static const char total[] =
    TOP("total") "  const int t = td_thread();\n"
                 "  unsigned *last = (unsigned *)td_shared_memory();\n"
                 "  float s = x[td_block() * 32 + t];\n"
                 "  for (int mask = 1; mask < 32; mask *= 2) s += td_shuffle_xor(s, mask);\n"
                 "  if (t == 0) {\n"
                 "    y[1 + td_block()] = s;\n"
                 "    last[0] = td_ticket(z, (unsigned)td_blocks() - 1);\n"
                 "  }\n"
                 "  td_barrier();\n"
                 "  if (last[0] == (unsigned)td_blocks() - 1 && t == 1) {\n"
                 "    s = 0.0f;\n"
                 "    for (long long b = 0; b < td_blocks(); b++) s += y[1 + b];\n"
                 "    y[0] = s;\n"
                 "  }\n"
                 "}\n";

/* Each lane gets the next one's value, by way of shared memory. */
static const char rotated[] = TOP("rotated") "  float *all = (float *)td_shared_memory();\n"
                                             "  const int t = td_thread(), lane = t % 32;\n"
                                             "  all[t] = x[t];\n"
                                             "  td_warp_barrier();\n"
                                             "  y[t] = all[t - lane + (lane + 1) % 32];\n"
                                             "}\n";

/* y = the threads whose x is 3, those of each warp side by side. */
static const char votes[] =
    TOP("votes") "  const int t = td_thread();\n"
                 "  const unsigned all = td_ballot(x[t] == 3.0f);\n"
                 "  y[t] = -1.0f;\n"
                 "  td_warp_barrier();\n"
                 "  if (x[t] == 3.0f) y[t / 32 * 32 + td_bit_count(all & ((1u << t % 32) - 1u))] = "
                 "(float)t;\n"
                 "}\n";

/* y = x and x + 64, by turns, 8 bytes a thread. */
static const char pairs[] =
    TOP("pairs") "  const int t = td_thread();\n"
                 "  *(unsigned long long *)(y + 2 * t) =\n"
                 "      td_bits(x[t]) | (unsigned long long)td_bits(x[64 + t]) << 32;\n"
                 "}\n";

/* n threads of a block, from one value in 2 bytes to the next. */
static const char halves[] = TOP(
    "halves") "  ((unsigned short *)y)[td_thread()] = ((const unsigned short *)x)[td_thread()];\n"
              "}\n";

/* y = 2 a b, a of 16 x 16 and b of 16 x 8 (its columns one after another behind a), in bf16:
 * a b from a as it lies, and once more from a turned. */
static const char matrices[] = TOP(
    "matrices") "  unsigned short *a = (unsigned short *)td_shared_memory(), *turned = a + 256, *b "
                "= a + 512;\n"
                "  const int l = td_thread();\n"
                "  for (int i = l; i < 256; i += 32) {\n"
                "    a[i] = (unsigned short)(td_bits(x[i]) >> 16);\n"
                "    turned[i % 16 * 16 + i / 16] = a[i];\n"
                "  }\n"
                "  for (int i = l; i < 128; i += 32) b[i] = (unsigned short)(td_bits(x[256 + i]) "
                ">> 16);\n"
                "  td_warp_barrier();\n"
                "  unsigned p[4], q[4];\n"
                "  float c[4] = {0.0f, 0.0f, 0.0f, 0.0f};\n"
                "  td_ldmatrix4(p, a + (l % 8 + l / 8 % 2 * 8) * 16 + l / 16 * 8);\n"
                "  td_ldmatrix4(q, b + l % 8 * 16 + l / 8 % 2 * 8);\n"
                "  td_mma_bf16(c, p, q);\n"
                "  td_ldmatrix4_turned(p, turned + (l % 8 + l / 16 * 8) * 16 + l / 8 % 2 * 8);\n"
                "  td_mma_bf16(c, p, q);\n"
                "  for (int i = 0; i < 4; i++) y[(l / 4 + i / 2 * 8) * 8 + l % 4 * 2 + i % 2] = "
                "c[i];\n"
                "}\n";

/* Two groups of copies of 16 bytes a thread; the first is used before the second has come. */
static const char copies[] =
    TOP("copies") "  float *first = (float *)td_shared_memory(), *second = first + 256;\n"
                  "  const int t = td_thread();\n"
                  "  td_copy_async(first + 4 * t, x + 4 * t);\n"
                  "  td_commit();\n"
                  "  td_copy_async(second + 4 * t, x + 256 + 4 * t);\n"
                  "  td_commit();\n"
                  "  td_wait(1);\n"
                  "  td_barrier();\n"
                  "  y[t] = first[255 - t];\n"
                  "  td_wait(0);\n"
                  "  td_barrier();\n"
                  "  y[64 + t] = second[255 - t];\n"
                  "}\n";

/* ---- runs ------------------------------------------------------------------------------- */

enum { COUNT = 2048 };
static float values[COUNT];

static bool by_ptx; /* what the toolkit's NVRTC makes of a kernel */

/* With the primitives of CUDA before it, and its lines as they are. malloc'ed. */
static char *native(const char *text) {
  static char head[8192];
  FILE *f = fopen("tests/cuda_emu/native.cuh", "r");
  assert_non_null(f);
  size_t n = fread(head, 1, sizeof head - 1, f);
  fclose(f);
  char *all = malloc(n + strlen(text) + 64);
  head[n] = '\0';
  sprintf(all, "%s\n#line 1 \"test.cu\"\n%s", head, text);
  return all;
}

static CUmodule load_kernels(const char *text) {
  setenv("TDC_EMU_PTX", by_ptx ? "1" : "0", 1);
  char *all = by_ptx ? native(text) : strdup(text);
  CUmodule m = load(all);
  free(all);
  return m;
}

/* x holds `values`, y nothing, z zeros; the first n of y come back. */
static CUresult run(const char *text, const char *name, int blocks, int threads, int shared,
                    int64_t n, float *y, int ny) {
  CUmodule m = load_kernels(text);
  Arguments a = {device(sizeof values), device((size_t)ny * 4), device(16), n};
  ok(emu.cuMemsetD8Async(a.z, 0, 16, stream));
  up(a.x, values, sizeof values);
  ok(launch(function(m, name), blocks, threads, shared, &a, sizeof a));
  CUresult r = emu.cuMemcpyDtoHAsync_v2(y, a.y, (size_t)ny * 4, stream);
  if (r == CUDA_SUCCESS) r = emu.cuStreamSynchronize(stream);
  if (r != CUDA_SUCCESS) return r;
  ok(emu.cuMemFree_v2(a.x));
  ok(emu.cuMemFree_v2(a.y));
  ok(emu.cuMemFree_v2(a.z));
  ok(emu.cuModuleUnload(m));
  return r;
}

/* Each test in both modes, by several seeds; nothing is reported. */
static void each(void (*check)(void)) {
  int before = emu.emu_reports();
  for (int seed = 1; seed <= 8; seed++) {
    open_device(seed > 4, seed); /* compiled twice */
    check();
    ok(emu.cuStreamDestroy_v2(stream));
    close_device();
    if (emu.emu_reports() != before) fail_msg("seed %d: %s", seed, emu.emu_last_report());
  }
}

/* Row r holds r + 1 times 0 .. n-1: its sum is (r + 1) n (n - 1) / 2, exact in f32. */
static void check_row_sums(void) {
  enum { ROWS = 6, N = 301 };
  float y[ROWS];
  for (int i = 0; i < ROWS * N; i++) values[i] = (float)((i / N + 1) * (i % N));
  for (int threads = 32; threads <= 256; threads *= 2) {
    ok(run(row_sums, "row_sums", ROWS, threads, threads / 8, N, y, ROWS));
    for (int r = 0; r < ROWS; r++) assert_true(y[r] == (float)((r + 1) * (N * (N - 1) / 2)));
  }
}

/* x[i][k] = i + k: y[i][j] = sum (i+k)(j+k) = n i j + (i+j) n(n-1)/2 + (n-1)n(2n-1)/6 */
static void check_tiles(void) {
  enum { N = 37 };
  float y[256];
  for (int i = 0; i < 16; i++)
    for (int k = 0; k < N; k++) values[i * N + k] = (float)(i + k);
  ok(run(tiles, "tiles", 1, 256, 16 * 17 * 4, N, y, 256));
  for (int i = 0; i < 16; i++)
    for (int j = 0; j < 16; j++)
      assert_true(y[16 * i + j] ==
                  (float)(N * i * j + (i + j) * (N * (N - 1) / 2) + (N - 1) * N * (2 * N - 1) / 6));
}

static void check_total(void) {
  float y[12];
  for (int i = 0; i < 11 * 32; i++) values[i] = (float)i;
  ok(run(total, "total", 11, 32, 16, 0, y, 12));
  assert_true(y[0] == (float)(11 * 32 * (11 * 32 - 1) / 2));
}

static void check_rotated(void) {
  float y[64];
  for (int i = 0; i < 64; i++) values[i] = (float)i;
  ok(run(rotated, "rotated", 1, 64, 256, 0, y, 64));
  for (int i = 0; i < 64; i++) assert_true(y[i] == (float)(i % 32 == 31 ? i - 31 : i + 1));
}

static void check_votes(void) {
  static const float threes[2][6] = {{3, 10, 17, 24, 31, -1}, {38, 45, 52, 59, -1, -1}};
  float y[64];
  for (int i = 0; i < 64; i++) values[i] = (float)(i % 7);
  ok(run(votes, "votes", 1, 64, 0, 0, y, 64));
  for (int i = 0; i < 64; i++) assert_true(y[i] == (i % 32 < 6 ? threes[i / 32][i % 32] : -1.0F));
}

static void check_pairs(void) {
  float y[128];
  for (int i = 0; i < 128; i++) values[i] = (float)(i - 50);
  ok(run(pairs, "pairs", 1, 64, 0, 0, y, 128));
  for (int i = 0; i < 128; i++) assert_true(y[i] == (float)(i % 2 * 64 + i / 2 - 50));
}

static void check_halves(void) {
  float y[100];
  for (int i = 0; i < 100; i++) values[i] = (float)i;
  ok(run(halves, "halves", 1, 200, 0, 0, y, 100));
  assert_memory_equal(y, values, sizeof y);
}

static void check_matrices(void) {
  float y[128];
  for (int i = 0; i < 256; i++) values[i] = (float)(i % 11 - 5);           /* a[i / 16][i % 16] */
  for (int i = 0; i < 128; i++) values[256 + i] = (float)(i * 3 % 13 - 6); /* b[i % 16][i / 16] */
  ok(run(matrices, "matrices", 1, 32, 1280, 0, y, 128));
  for (int i = 0; i < 16; i++)
    for (int j = 0; j < 8; j++) {
      float sum = 0.0f;
      for (int k = 0; k < 16; k++) sum += values[i * 16 + k] * values[256 + j * 16 + k];
      assert_true(y[i * 8 + j] == 2.0f * sum);
    }
}

static void check_copies(void) {
  float y[128];
  for (int i = 0; i < 512; i++) values[i] = (float)i;
  ok(run(copies, "copies", 1, 64, 2048, 0, y, 128));
  for (int i = 0; i < 64; i++)
    assert_true(y[i] == (float)(255 - i) && y[64 + i] == (float)(511 - i));
}

static void row_sums_are_right(void **state) { (void)state, each(check_row_sums); }
static void products_by_tiles_are_right(void **state) { (void)state, each(check_tiles); }
static void the_last_block_sees_all(void **state) { (void)state, each(check_total); }
static void a_warp_barrier_orders_a_warp(void **state) { (void)state, each(check_rotated); }
static void lanes_vote(void **state) { (void)state, each(check_votes); }
static void matrices_are_multiplied(void **state) { (void)state, each(check_matrices); }
static void copies_come_when_waited_for(void **state) { (void)state, each(check_copies); }
static void neighbours_write_halves_of_words(void **state) {
  (void)state;
  each(check_halves), each(check_pairs);
}

/* ---- mistakes ----------------------------------------------------------------------------- */

typedef struct Mistake {
  const char *name;
  const char *text, *kernel;
  const char *from, *to; /* what becomes of the right text */
  int blocks, threads, shared, n;
  bool checked; /* seen by loads and stores alone */
  const char *kind, *told;
  CUresult code;
} Mistake;

#define SUMS row_sums, "row_sums"
#define ROWS_OF 6, 256, 32, 301
static const Mistake mistakes[] = {
    {"a barrier less before partial sums are read", SUMS, "  td_barrier();\n  s = 0.0f",
     "  s = 0.0f", ROWS_OF, true, ": kernel row_sums, block ", "bytes of shared memory",
     CUDA_ERROR_LAUNCH_FAILED},
    {"a barrier less before a sum is overwritten", SUMS, "  td_barrier(); /*", "/*", ROWS_OF, true,
     "race: kernel row_sums", "bytes of shared memory", CUDA_ERROR_LAUNCH_FAILED},
    {"a bound off by one: a load", SUMS, "i < n;", "i <= n;", 8, 256, 32, 256, true,
     "out of bounds: kernel row_sums, block 7", "byte 8192 of a block of 8192 bytes, at test.cu:5",
     CUDA_ERROR_ILLEGAL_ADDRESS},
    {"a bound off by one: a store", SUMS, "y[td_block()]", "y[td_block() + 1]", ROWS_OF, false,
     "out of bounds: kernel row_sums", "byte 24 of a block of 24 bytes",
     CUDA_ERROR_ILLEGAL_ADDRESS},
    {"far outside", SUMS, "row[i]", "row[i + 1000000]", ROWS_OF, false,
     "out of bounds: kernel row_sums, block ", "of a block of", CUDA_ERROR_ILLEGAL_ADDRESS},
    {"shared memory, one warp more than there is", SUMS, "td_thread() / 32] = s",
     "td_thread() / 32 + 1] = s", 6, 256, 32, 301, false, "out of bounds: kernel row_sums",
     "shared memory, at byte 32 of 32", CUDA_ERROR_ILLEGAL_ADDRESS},
    {"eight bytes at a multiple of four", SUMS, "s += row[i]",
     "s += (float)((const double *)(row + 1))[i / 2]", ROWS_OF, true, "misaligned: kernel row_sums",
     "reads 8 bytes", CUDA_ERROR_MISALIGNED_ADDRESS},
    {"all blocks add to one place", SUMS, "y[td_block()] = s", "y[0] = (s += 1.0f)", ROWS_OF, true,
     "race: kernel row_sums, block ", "of another block wrote", CUDA_ERROR_LAUNCH_FAILED},
    {"a shuffle of half a warp", SUMS, "mask *= 2) s", "mask *= 2) if (td_thread() % 32 < 16) s",
     ROWS_OF, false, "divergence: kernel row_sums, block ", "line 6", CUDA_ERROR_LAUNCH_FAILED},
    {"two shuffles for two halves of a warp", SUMS, "  for (int mask",
     "  if (td_thread() & 16) s += td_shuffle_xor(s, 1);\n  else s -= td_shuffle_xor(s, 1);\n"
     "  for (int mask",
     ROWS_OF, false, "divergence: kernel row_sums, block ", "at another, of line",
     CUDA_ERROR_LAUNCH_FAILED},
    {"a return before a barrier", SUMS, "  td_barrier();\n  s",
     "  if (td_thread() == 37) return;\n  td_barrier();\n  s", ROWS_OF, false,
     "early exit: kernel row_sums, block ",
     "255 threads at the barrier of line 9 wait for thread 37", CUDA_ERROR_LAUNCH_FAILED},
    {"a return before a shuffle", SUMS, "  for (int mask",
     "  if (td_thread() == 37) return;\n  for (int mask", ROWS_OF, false,
     "early exit: kernel row_sums, block ", "waits for thread 37, which has returned",
     CUDA_ERROR_LAUNCH_FAILED},
    {"lanes at a barrier, lanes at a shuffle", SUMS, "  for (int mask",
     "  if (td_thread() % 2) td_barrier();\n  for (int mask", ROWS_OF, false,
     "divergence: kernel row_sums, block ", "which waits at a barrier", CUDA_ERROR_LAUNCH_FAILED},
    {"two barriers for two halves of a block", SUMS, "  td_barrier();\n  s",
     "  if (td_thread() < 128) td_barrier();\n  else td_barrier();\n  s", ROWS_OF, false,
     "different barriers: kernel row_sums", "where thread ", CUDA_ERROR_LAUNCH_FAILED},
    {"a block of a warp and a half", SUMS, "n;", "n;", 6, 48, 32, 301, false,
     "divergence: kernel row_sums", "in a warp of 16 threads", CUDA_ERROR_LAUNCH_FAILED},
    {"shared memory that nobody wrote", SUMS, "s += all[w]", "s += all[w + 1]", 6, 256, 64, 301,
     true, "uninitialised: kernel row_sums", "shared memory, at byte 32 of 64, at test.cu:10",
     CUDA_ERROR_LAUNCH_FAILED},
    {"device memory that nobody wrote", SUMS, "= s;\n}", "+= s;\n}", ROWS_OF, true,
     "uninitialised: kernel row_sums", "of a block of 24 bytes", CUDA_ERROR_LAUNCH_FAILED},
    {"a neighbour's element in place", SUMS, "s += row[i]", "s += x[i] = x[(i + 1) % td_threads()]",
     ROWS_OF, true, "race: kernel row_sums", "which thread ", CUDA_ERROR_LAUNCH_FAILED},
    {"a stack that is too deep", SUMS, "  s = 0.0f;\n",
     "  volatile char deep[1 << 20];\n  for (int i = 0; i < 1 << 20; i += 512) deep[i] = 1;\n",
     ROWS_OF, false, "stack overflow: kernel row_sums", "a thread's stack",
     CUDA_ERROR_ILLEGAL_ADDRESS},
    {"an integer divided by zero", SUMS, "td_block()] = s", "td_block()] = (float)(n / (int)*z)",
     ROWS_OF, false, "division by zero: kernel row_sums, block ", "of integers",
     CUDA_ERROR_ILLEGAL_ADDRESS},
    {"a lane that is none", SUMS, "td_shuffle_xor(s, mask)", "td_shuffle(s, mask + 20)", ROWS_OF,
     false, "out of bounds: kernel row_sums", "a shuffle with lane 36, line 6",
     CUDA_ERROR_LAUNCH_FAILED},
    {"the next tile too early", tiles, "tiles", "    td_barrier(); /*", "    /*", 1, 256, 1088, 37,
     true, "race: kernel tiles", "shared memory", CUDA_ERROR_LAUNCH_FAILED},
    {"a row more than there is", tiles, "tiles", "x[row * n", "x[(row + 1) * n", 1, 256, 1088, 128,
     true, "out of bounds: kernel tiles", "of a block of 8192 bytes", CUDA_ERROR_ILLEGAL_ADDRESS},
    {"parts read without a ticket", total, "total",
     "    last[0] = td_ticket(z, (unsigned)td_blocks() - 1);\n",
     "    last[0] = td_block() == 3 ? (unsigned)td_blocks() - 1 : 0;\n", 11, 32, 16, 0, true,
     ": kernel total", "of a block of 1024 bytes", CUDA_ERROR_LAUNCH_FAILED},
    {"a ticket before the part is written", total, "total",
     "    y[1 + td_block()] = s;\n    last[0] = td_ticket(z, (unsigned)td_blocks() - 1);\n",
     "    last[0] = td_ticket(z, (unsigned)td_blocks() - 1);\n    y[1 + td_block()] = s;\n"
     "    if (last[0] < 10u) y[1 + td_block()] = s;\n",
     11, 32, 16, 0, true, "race: kernel total", "of another block wrote", CUDA_ERROR_LAUNCH_FAILED},
    {"a warp barrier less", rotated, "rotated", "  all[t] = x[t];\n  td_warp_barrier();\n",
     "  all[t] = 0.0f;\n  td_barrier();\n  all[t] = x[t];\n", 1, 64, 256, 0, true,
     "race: kernel rotated, block 0, thread ", "shared memory", CUDA_ERROR_LAUNCH_FAILED},
    {"a warp barrier for another warp", rotated, "rotated",
     "  td_warp_barrier();\n  y[t] = all[t - lane + (lane + 1) % 32];\n",
     "  td_barrier();\n  all[t] = x[t];\n  td_warp_barrier();\n  y[t] = all[63 - t];\n", 1, 64, 256,
     0, true, "race: kernel rotated", "shared memory", CUDA_ERROR_LAUNCH_FAILED},
    {"a shuffle for a warp barrier", rotated, "rotated", "  td_warp_barrier();\n",
     "  td_barrier();\n  all[t] = x[t];\n  (void)td_shuffle(1.0f, 0);\n", 1, 64, 256, 0, true,
     "race: kernel rotated", "shared memory", CUDA_ERROR_LAUNCH_FAILED},
    {"halves of words that overlap", halves, "halves", "y)[td_thread()]", "y)[td_thread() / 2]", 1,
     200, 0, 0, true, "race: kernel halves", "writes 2 bytes", CUDA_ERROR_LAUNCH_FAILED},
    {"a matrix's row at a multiple of two", matrices, "matrices", "(p, a +", "(p, a + 1 +", 1, 32,
     1280, 0, false, "misaligned: kernel matrices, block 0, thread ", "ldmatrix, at byte ",
     CUDA_ERROR_MISALIGNED_ADDRESS},
    {"a matrix behind shared memory", matrices, "matrices", "(q, b +", "(q, b + 128 +", 1, 32, 1280,
     0, false, "out of bounds: kernel matrices, block 0, thread ",
     "ldmatrix: shared memory, at byte ", CUDA_ERROR_ILLEGAL_ADDRESS},
    {"a matrix of device memory", matrices, "matrices", "(q, b +", "(q, (unsigned short *)x +", 1,
     32, 1280, 0, false, "out of bounds: kernel matrices", "no shared memory",
     CUDA_ERROR_ILLEGAL_ADDRESS},
    {"a matrix read too early", matrices, "matrices", "  td_warp_barrier();\n", "", 1, 32, 1280, 0,
     true, ": kernel matrices", "reads 16 bytes of shared memory", CUDA_ERROR_LAUNCH_FAILED},
    {"a vote of half a warp", votes, "votes", "  y[t] = -1.0f;\n",
     "  if (t % 32 < 16) y[t] = td_ballot(true) ? -1.0f : 0.0f;\n", 1, 64, 0, 0, false,
     "divergence: kernel votes", "line ", CUDA_ERROR_LAUNCH_FAILED},
    {"a product of half a warp", matrices, "matrices", "  td_mma_bf16(c, p, q);\n",
     "  if (l < 16) td_mma_bf16(c, p, q);\n", 1, 32, 1280, 0, false, "divergence: kernel matrices",
     "at another, of line", CUDA_ERROR_LAUNCH_FAILED},
    {"a copy that nobody waits for", copies, "copies", "  td_wait(0);\n", "", 1, 64, 2048, 0, true,
     "uninitialised: kernel copies", "shared memory", CUDA_ERROR_LAUNCH_FAILED},
    {"a copy that is never waited for", copies, "copies",
     "  td_wait(0);\n  td_barrier();\n  y[64 + t] = second[255 - t];\n", "", 1, 64, 2048, 0, false,
     "pending copy: kernel copies, block 0, thread ", "ends with 1 copies",
     CUDA_ERROR_LAUNCH_FAILED},
    {"a copy waited for too late", copies, "copies", "  td_wait(1);\n", "  td_wait(2);\n", 1, 64,
     2048, 0, true, "uninitialised: kernel copies", "shared memory", CUDA_ERROR_LAUNCH_FAILED},
    {"another thread's copy without a barrier", copies, "copies",
     "  td_wait(0);\n  td_barrier();\n", "  td_wait(0);\n", 1, 64, 2048, 0, true, ": kernel copies",
     "shared memory", CUDA_ERROR_LAUNCH_FAILED},
    {"a copy from a multiple of four", copies, "copies", "x + 4 * t", "x + 1 + 4 * t", 1, 64, 2048,
     0, false, "misaligned: kernel copies", "an asynchronous copy from",
     CUDA_ERROR_MISALIGNED_ADDRESS},
};

static char *replaced(const Mistake *m) {
  const char *at = strstr(m->text, m->from);
  if (at == NULL) fail_msg("%s: its text is not there", m->name);
  char *text = malloc(strlen(m->text) + strlen(m->to) + 1);
  int before = (int)(at - m->text);
  sprintf(text, "%.*s%s%s", before, m->text, m->to, at + strlen(m->from));
  return text;
}

static bool seen(const Mistake *m, bool check, int seed) {
  float y[256];
  char *text = replaced(m);
  int before = emu.emu_reports();
  for (int i = 0; i < COUNT; i++) values[i] = (float)(i % 7);
  open_device(check, seed);
  int ny = m->text == row_sums ? m->blocks : 256;
  CUresult r = run(text, m->kernel, m->blocks, m->threads, m->shared, m->n, y, ny);
  const char *told = emu.emu_last_report();
  bool is = emu.emu_reports() > before && strstr(told, m->kind) != NULL &&
            (by_ptx || strstr(told, m->told) != NULL) && r == m->code;
  if (!is)
    print_error("%s, seed %d, %s: result %d; %s\n", m->name, seed, check ? "checked" : "plain",
                (int)r, emu.emu_reports() == before ? "nothing was told" : told);
  close_device();
  free(text);
  return is;
}

static void mistakes_are_told(void **state) {
  (void)state;
  int missed = 0;
  for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++)
    for (int check = mistakes[i].checked; check <= 1; check++)
      for (int seed = 1; seed <= 3; seed++) missed += !seen(&mistakes[i], check, seed);
  assert_int_equal(missed, 0);
}

/* Is a toolkit's NVRTC installed? */
static bool has_ptx(void) {
  nvrtcResult r;
  char *log, *image;
  setenv("TDC_EMU_PTX", "1", 1);
  image = compile("extern \"C\" __global__ void nothing() {}\n", &r, &log);
  setenv("TDC_EMU_PTX", "0", 1);
  bool has = image != NULL;
  if (!has && strstr(log, "no NVRTC of a toolkit is installed") == NULL) fail_msg("%s", log);
  free(image), free(log);
  return has;
}

/* The same kernels by way of PTX, inline assembly and all: the same numbers, the same reports
 * but for places, which NVRTC says of what it has inlined. */
static void kernels_may_come_by_ptx(void **state) {
  (void)state;
  if (!has_ptx()) skip();
  by_ptx = true;
  each(check_row_sums), each(check_tiles), each(check_total), each(check_rotated);
  each(check_halves), each(check_matrices), each(check_copies), each(check_votes);
  each(check_pairs);
  by_ptx = false;
}

/* What C and CUDA mean alike, of numbers of both signs, infinities and NaN: 24 results of each. */
static const char operations[] = TOP(
    "operations") "  const float a = x[td_thread()], b = x[td_thread() + 7];\n"
                  "  const int i = (int)(a < 1000.0f && a > -1000.0f ? a : 77.0f), j = "
                  "(int)td_bits(b) >> 20;\n"
                  "  const unsigned u = td_bits(a), v = td_bits(b);\n"
                  "  const long long w = (long long)i * 0x123456789ll + j;\n"
                  "  const int k = j == 0 ? 3 : j, n5 = (int)n + td_thread() % 29;\n"
                  "  float *o = y + 24 * td_thread();\n"
                  "  unsigned *r = (unsigned *)o;\n"
                  "  r[0] = u >> n5 ^ v << n5;\n"
                  "  r[1] = (unsigned)(i >> n5 % 32);\n"
                  "  r[2] = (unsigned)(i / k) + u / (v | 1u);\n"
                  "  r[3] = (unsigned)(i % k) ^ u % (v | 1u);\n"
                  "  r[4] = (unsigned)((unsigned long long)u * v >> 32);\n"
                  "  r[5] = (unsigned)((long long)i * k >> 32);\n"
                  "  r[6] = (unsigned)(w / (k | 1)) + (unsigned)(w % 1000);\n"
                  "  r[7] = (unsigned)(w >> n5) + (unsigned)((unsigned long long)w >> n5) + "
                  "(unsigned)(w << n5);\n"
                  "  r[8] = (i < k) | (i <= k) << 1 | (u < v) << 2 | (u >= v) << 3 | (w > 0) << "
                  "4;\n"
                  "  r[9] = (a < b) | (a <= b) << 1 | (a == b) << 2 | (a != b) << 3 | !(a < b) << "
                  "4 | !(a >= b) << 5;\n"
                  "  r[10] = (a != a) | (b != b) << 1 | (a < b || a > 2.0f) << 2 | (a == a && b == "
                  "b) << 3;\n"
                  "  r[11] = (unsigned)(i < 0 ? -i : i) + (unsigned)(i < k ? i : k) + (u > v ? u : "
                  "v);\n"
                  "  o[12] = td_fma(a, b, 0.1f);\n"
                  "  o[13] = a / b;\n"
                  "  o[14] = sqrtf(fabsf(a));\n"
                  "  o[15] = floorf(a) - rintf(b);\n"
                  "  o[16] = (float)((double)a * 3.0 + (double)i / (double)(k * k + 1));\n"
                  "  o[17] = (float)w + (float)u;\n"
                  "  o[18] = (float)(short)u + (float)(signed char)v + (float)(unsigned short)v;\n"
                  "  r[19] = (unsigned)((unsigned char *)x)[td_thread()] + ((unsigned short "
                  "*)x)[td_thread()];\n"
                  "  r[20] = u << 7 | u >> 25;\n"
                  "  r[21] = ~u & (v ^ 0x5555u);\n"
                  "  o[22] = -a * 2.0f;\n"
                  "  o[23] = a < b ? a : -b;\n"
                  "}\n";

static void ptx_means_what_c_means(void **state) {
  (void)state;
  static float y[2][64 * 24];
  static const float some[] = {0.0f,      -0.0f, 1.5f, -2.5f,   3.0e38f,
                               -1.0e-30f, 1e30f, 0.3f, -77.25f, 1234.5f};
  if (!has_ptx()) skip();
  for (int i = 0; i < COUNT; i++) values[i] = some[i % 10] + (float)(i % 3);
  values[5] = 1.0f / 0.0f, values[11] = -1.0f / 0.0f, values[20] = 0.0f / 0.0f;
  setenv("TDC_EMU_CONTRACT", "off", 1);
  for (int ptx = 0; ptx <= 1; ptx++) {
    by_ptx = ptx;
    open_device(ptx, 1);
    ok(run(operations, "operations", 1, 64, 0, 3, y[ptx], 64 * 24));
    ok(emu.cuStreamDestroy_v2(stream));
    close_device();
  }
  by_ptx = false;
  unsetenv("TDC_EMU_CONTRACT");
  for (int i = 0; i < 64 * 24; i++) {
    uint32_t u[2];
    for (int ptx = 0; ptx <= 1; ptx++) memcpy(&u[ptx], &y[ptx][i], 4);
    bool nan = i % 24 >= 12 && y[0][i] != y[0][i] && y[1][i] != y[1][i];
    if (u[0] != u[1] && !nan)
      fail_msg("result %d of thread %d: C %#x, PTX %#x", i % 24, i / 24, u[0], u[1]);
  }
}

static void mistakes_are_told_by_ptx(void **state) {
  (void)state;
  if (!has_ptx()) skip();
  const char *deep = getenv("TDC_TEST_LONG");
  size_t step = deep != NULL && *deep == '1' ? 1 : 4; /* NVRTC takes a third of a second */
  int missed = 0;
  by_ptx = true;
  for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i += step)
    missed += !seen(&mistakes[i], true, 1 + (int)i % 3);
  by_ptx = false;
  assert_int_equal(missed, 0);
}

/* What nobody wrote is a NaN: seen in what it makes, where loads are not checked. */
static void what_nobody_wrote_is_no_number(void **state) {
  (void)state;
  Mistake shared_one = {"", SUMS, "s += all[w]", "s += all[w + 1]", 1, 256, 64, 301, false,
                        "", "",   CUDA_SUCCESS};
  char *text = replaced(&shared_one);
  float y[1];
  open_device(false, 1);
  ok(run(text, "row_sums", 1, 256, 64, 301, y, 1));
  assert_true(y[0] != y[0]);
  close_device();
  free(text);
}

/* A warp reads a column of n words a row, then of 33: n = 32 asks one bank for 32 words. The
 * write and the second read meet no conflict. */
static void conflicts_of_banks_are_counted(void **state) {
  (void)state;
  static const char text[] = TOP("banks") "  float *all = (float *)td_shared_memory();\n"
                                          "  const int t = td_thread();\n"
                                          "  for (int i = 0; i < 34; i++) all[i * 32 + t] = x[t];\n"
                                          "  td_warp_barrier();\n"
                                          "  y[t] = all[t * 32];\n"
                                          "  y[t] += all[t * 33];\n"
                                          "}\n";
  char path[] = "/tmp/tdc-emu-banks-XXXXXX", told[1024] = "";
  float y[32];
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  setenv("TDC_EMU_BANKS", path, 1);
  open_device(true, 1);
  ok(run(text, "banks", 1, 32, 34 * 32 * 4, 0, y, 32));
  close_device();
  unsetenv("TDC_EMU_BANKS");
  assert_true(read(fd, told, sizeof told - 1) > 0);
  static const char *const lines[] = {"banks, at test.cu:5: 34 accesses, 34 turns of 34\n",
                                      "banks, at test.cu:7: 1 accesses, 32 turns of 1\n",
                                      "banks, at test.cu:8: 1 accesses, 1 turns of 1\n"};
  for (int i = 0; i < 3; i++)
    if (strstr(told, lines[i]) == NULL) fail_msg("no '%s' in '%s'", lines[i], told);
  close(fd);
  unlink(path);
}

int main(void) {
  emu_load();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(row_sums_are_right),
      cmocka_unit_test(products_by_tiles_are_right),
      cmocka_unit_test(the_last_block_sees_all),
      cmocka_unit_test(a_warp_barrier_orders_a_warp),
      cmocka_unit_test(matrices_are_multiplied),
      cmocka_unit_test(lanes_vote),
      cmocka_unit_test(copies_come_when_waited_for),
      cmocka_unit_test(neighbours_write_halves_of_words),
      cmocka_unit_test(mistakes_are_told),
      cmocka_unit_test(kernels_may_come_by_ptx),
      cmocka_unit_test(ptx_means_what_c_means),
      cmocka_unit_test(mistakes_are_told_by_ptx),
      cmocka_unit_test(conflicts_of_banks_are_counted),
      cmocka_unit_test(what_nobody_wrote_is_no_number),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
