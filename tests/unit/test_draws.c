/* SPDX-License-Identifier: MIT */
/* Draws follow the distributions they are named after, out to the tails: chi-square tests of the
 * evaluator and of kernels. Seeds are fixed, so a test that passes once passes always. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/ir/draws.h"
#include "runtime/reference.h"
#include "tests/model.h"

enum { CELLS = 64, SEED = 20, STEP = 3 };

/* Is the chi-square of counts, with what each should be, one that chance gives but once in ten
 * thousand? By Wilson and Hilferty's cube root, that is 3.72 deviations. */
static void expect_shares(const char *what, const double *count, const double *share, int cells) {
  double n = 0, square = 0, freedom = cells - 1;
  for (int i = 0; i < cells; i++) n += count[i];
  for (int i = 0; i < cells; i++) {
    const double off = count[i] - n * share[i];
    assert_true(n * share[i] >= 5);
    square += off * off / (n * share[i]);
  }
  const double v = 2 / (9 * freedom), z = (cbrt(square / freedom) - (1 - v)) / sqrt(v);
  if (!(z < 3.72)) fail_msg("%s: chi-square %.1f of %g (z = %.1f)", what, square, freedom, z);
}

/* ---- programs ---------------------------------------------------------------------------- */

typedef void Check(const char *on, const double *y, int64_t n);

/* The first model's first output, by kernels and by the evaluator if it is asked too. */
static void run(const char *name, const char *text, bool evaluator, Check *check) {
  Model m;
  Running r;
  TdError err = {0};
  assert_true(model_open_source(&m, name, text));
  int i = 0;
  while (strncmp(m.unit->entries[i].name, "model.", 6) != 0) i++;
  assert_true(model_build(&m));
  assert_true(running_open(&r, &m, 1));
  Session *reference = session_new(m.unit->program, reference_device(m.unit, &err), &err);
  assert_non_null(reference);
  Session *on[] = {r.session, reference};
  assert_true(session_need(reference, (const char *const[]){".", NULL}, &err));
  for (int k = 0; k < 1 + evaluator; k++) {
    const int entry = session_entry(on[k], m.unit->entries[i].name);
    const char *output = m.unit->entries[i].graph->outputs.at[0].name;
    session_run(on[k], entry, SEED, STEP);
    const TdBuffer *b = session_output(on[k], entry, output);
    void *got = output_of(on[k], entry, output);
    double *y = calloc((size_t)b->count, sizeof *y);
    for (int64_t j = 0; j < b->count; j++) y[j] = typed_value(got, b->type, j);
    check(k ? "evaluator" : "kernels", y, b->count);
    free(y);
    free(got);
  }
  session_free(reference);
  running_close(&r);
  model_close(&m);
}

/* ---- categorical ------------------------------------------------------------------------- */

/* Symbol v weighs e^-v. */
static void powers_of_e(const char *on, const double *y, int64_t n) {
  double count[8] = {0}, share[8], sum = 0;
  for (int64_t i = 0; i < n; i++) count[(int)y[i]]++;
  for (int v = 0; v < 8; v++) sum += exp(-v);
  for (int v = 0; v < 8; v++) share[v] = exp(-v) / sum;
  expect_shares(on, count, share, 8);
}
static void symbols_by_their_weights(void **state) {
  (void)state;
  run("weights", "dim B = 65536\nmodel it() -> y[B] { y[b] = categorical[v in 8](-real(v)) }", true,
      powers_of_e);
}

/* Of 2^27 draws of Gumbel's distribution 15.1 lie above 16: 1 - exp(-e^-16) = 1.125e-7. */
static void far_gumbels(const char *on, const double *y, int64_t n) {
  assert_int_equal(n, 1);
  if (!(*y >= 4 && *y <= 30)) fail_msg("%s: %g instead of about 15", on, *y);
}
static void gumbels_have_their_tail(void **state) {
  (void)state;
  run("tail", "dim N = 134217728\nmodel it() -> y { y = sum[n in N](gumbel() > 16 ? 1.0 : 0.0) }",
      false, far_gumbels);
}

/* What the library and the compiler call is the library's own, whatever a file declares. */
static double first_symbols[4096];
static void keep_symbols(const char *on, const double *y, int64_t n) {
  (void)on;
  assert_int_equal(n, 4096);
  memcpy(first_symbols, y, sizeof first_symbols);
}
static void same_symbols(const char *on, const double *y, int64_t n) {
  for (int64_t i = 0; i < n; i++)
    if (y[i] != first_symbols[i]) fail_msg("%s: symbol %d changed", on, (int)i);
}
static void two_and_seven(const char *on, const double *y, int64_t n) {
  (void)on;
  assert_true(n == 2 && y[0] == 0.5 && y[1] == 7); /* cosine's floor, then the file's own clamp */
}
#define DRAWN "dim B = 4096\nmodel it() -> y[B] { y[b] = categorical[v in 8](-0.5 * real(v)) }\n"
static void a_file_does_not_change_the_library(void **state) {
  (void)state;
  run("plain", DRAWN, true, keep_symbols);
  run("captured", "op gumbel() -> g = 100.0\n" DRAWN, true, same_symbols);
  run("clamped",
      "op clamp(x, lo, hi) -> y = 7.0\n"
      "model it() -> y[2] { y[i in 2] = i == 0 ? cosine(1, 90, 50, 10, 0.5) : clamp(1, 2, 3) }",
      true, two_and_seven);
}

/* ---- integers ---------------------------------------------------------------------------- */

/* How many of the numbers k / 2^24, as floats have them, lie in [j, j + 1) / n: 1 or 2. */
static int64_t floats_of(int64_t j, int64_t n) {
  return (((j + 1) << 24) + n - 1) / n - ((j << 24) + n - 1) / n;
}
enum { MILLIONS = 10000000 };
static void all_alike(const char *on, const double *y, int64_t n) {
  double count[2] = {0}, share[2] = {0};
  for (int64_t j = 0; j < MILLIONS; j++) share[floats_of(j, MILLIONS) - 1] += 1.0 / MILLIONS;
  for (int64_t i = 0; i < n; i++) count[floats_of((int64_t)y[i], MILLIONS) - 1]++;
  expect_shares(on, count, share, 2);
}
static void low_bits(const char *on, const double *y, int64_t n) {
  double low[CELLS] = {0}, high[CELLS] = {0}, share[CELLS];
  for (int i = 0; i < CELLS; i++) share[i] = 1.0 / CELLS;
  for (int64_t i = 0; i < n; i++) {
    assert_true(y[i] >= 0 && y[i] < 0x1p31);
    low[(int64_t)y[i] % CELLS]++;
    high[(int64_t)y[i] >> 25]++;
  }
  expect_shares(on, low, share, CELLS);
  expect_shares(on, high, share, CELLS);
}
static void sevenths(const char *on, const double *y, int64_t n) {
  double count[7] = {0}, share[7];
  for (int i = 0; i < 7; i++) share[i] = 1.0 / 7;
  for (int64_t i = 0; i < n; i++) count[(int)y[i] + 3]++;
  expect_shares(on, count, share, 7);
}
/* The extent of element i is i % 8 - 1: what is not drawn from anything is 0. */
static void own_extents(const char *on, const double *y, int64_t n) {
  double count[6] = {0}, share[6];
  for (int i = 0; i < 6; i++) share[i] = 1.0 / 6;
  for (int64_t i = 0; i < n; i++) {
    assert_true(y[i] >= 0 && y[i] < (i % 8 > 2 ? i % 8 - 1 : 1));
    if (i % 8 == 7) count[(int)y[i]]++;
  }
  expect_shares(on, count, share, 6);
}
static void integers_are_even(void **state) {
  (void)state;
  run("millions", "dim B = 262144\nmodel it() -> y[B] { y[b] ~ uniform(10000000) }", true,
      all_alike);
  run("bits", "dim B = 65536\nmodel it() -> y[B] { y[b] ~ uniform(2147483648) }", true, low_bits);
  run("sevenths", "dim B = 65536\nmodel it() -> y[B] { y[b] ~ uniform(-3, 4) }", true, sevenths);
  run("own", "dim B = 65536\nmodel it() -> y[B] { y[b] ~ uniform(b % 8 - 1) }", true, own_extents);
}

/* ---- logarithms -------------------------------------------------------------------------- */

/* u, e^log(u), e^log(1 - u), e^log1p(-u): one draw, of which u has 24 bits. */
static void one_draw(const char *on, const double *y, int64_t n) {
  for (int64_t i = 0; i < n; i += 4) {
    const double u = y[i], seen = exp(y[i + 1]), rest = exp(y[i + 2]);
    if (!(fabs(seen - (u + 0x1p-25)) < 0x1p-24 && fabs(seen + rest - 1) < 3e-7))
      fail_msg("%s: u = %.9g, but %.9g and %.9g", on, u, seen, rest);
    assert_true(y[i + 2] == y[i + 3]);
  }
}
static void a_logarithm_is_of_the_same_draw(void **state) {
  (void)state;
  run("one draw",
      "dim B = 4096\nmodel it() -> y[B,4] {\n"
      "  u[b] ~ uniform()\n"
      "  y[b,k in 4] = k == 0 ? u[b] : k == 1 ? log(u[b]) : k == 2 ? log(1 - u[b]) : log1p(-u[b])\n"
      "}",
      true, one_draw);
}

/* Within 2^-20 of either end of (0, 1) what is left of u is even in 16 cells, and of 2^26 draws
 * 128 are there: a search for such words finds them. */
static void tails_are_even(void **state) {
  (void)state;
  enum { PARTS = 16 };
  double count[2][PARTS] = {{0}}, share[PARTS], found = 0;
  for (int i = 0; i < PARTS; i++) share[i] = 1.0 / PARTS;
  for (uint64_t block = 0; block < UINT64_C(1) << 24; block++) {
    uint32_t out[4], counter[4] = {(uint32_t)block, 0, STEP, 0}, key[2] = {SEED ^ 77u, 0};
    philox4x32(counter, key, out);
    for (uint64_t w = 0; w < 4; w++) {
      const uint32_t end = out[w] >> 31 ? ~out[w] : out[w];
      if (end >> 12) continue;
      const uint64_t number = block / 16 * 64 + w * 16 + block % 16;
      const bool one = out[w] >> 31;
      const double x =
          one ? draw_log_uniform(SEED, STEP, 77, number) : draw_log_rest(SEED, STEP, 77, number);
      const int cell = (int)(-expm1(x) * 0x1p20 * PARTS);
      assert_true(cell >= 0 && cell < PARTS);
      count[one][cell]++;
      found++;
    }
  }
  assert_true(fabs(found - 128) < 4 * sqrt(128)); /* of 2^26, at both ends */
  for (int i = 0; i < PARTS; i++) count[0][i] += count[1][i];
  expect_shares("both ends", count[0], share, PARTS);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(symbols_by_their_weights),
      cmocka_unit_test(gumbels_have_their_tail),
      cmocka_unit_test(a_file_does_not_change_the_library),
      cmocka_unit_test(integers_are_even),
      cmocka_unit_test(a_logarithm_is_of_the_same_draw),
      cmocka_unit_test(tails_are_even),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
