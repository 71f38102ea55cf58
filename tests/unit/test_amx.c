/* SPDX-License-Identifier: MIT */
/* The emulated tiles of amx_emu/amx.h: by numbers worked out by hand that only the order of
 * additions, the roundings and the zeros of Intel's manual give, by its text written once more,
 * number by number, and by the processor's own tiles where it has them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <fenv.h>
#include <math.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/cpu/toolchain.h"

#if defined __x86_64__
#pragma GCC target("avx512f")
#include "tests/amx_emu/amx.h"

enum { SIDE = 16, DEPTH = 32, SUM = 0, LEFT = 4, RIGHT = 6 };
typedef struct Tiles {
  float c[SIDE][SIDE];
  uint16_t a[SIDE][DEPTH], b[SIDE][SIDE][2]; /* b: [pair of k][column][k of the pair] */
} Tiles;

static const AmxShape shape = {
    1, 0, {0}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};

static uint16_t narrow(double x) { /* exact ones */
  float f = (float)x;
  uint32_t u;
  memcpy(&u, &f, sizeof u);
  assert_true((u & 0xffff) == 0 && (double)f == x);
  return (uint16_t)(u >> 16);
}
static float wide(uint16_t h) {
  uint32_t u = (uint32_t)h << 16;
  float f;
  memcpy(&f, &u, sizeof f);
  return f;
}

static void emulated(Tiles *t) {
  amx_open(&shape);
  amx_load(SUM, t->c, sizeof t->c[0]);
  amx_load(LEFT, t->a, sizeof t->a[0]);
  amx_load(RIGHT, t->b, sizeof t->b[0]);
  amx_dot(SUM, LEFT, RIGHT);
  amx_store(SUM, t->c, sizeof t->c[0]);
  amx_close();
}

/* One number of C, of a row of A and a column of B. */
static float one(const double (*pairs)[4], int n, float c) {
  Tiles t;
  memset(&t, 0, sizeof t);
  t.c[3][5] = c;
  for (int k = 0; k < n; k++) {
    for (int i = 0; i < 2; i++) {
      t.a[3][2 * k + i] = narrow(pairs[k][i]);
      t.b[k][5][i] = narrow(pairs[k][2 + i]);
    }
  }
  emulated(&t);
  return t.c[3][5];
}

static int need(void **state) {
  (void)state;
  return !__builtin_cpu_supports("avx512f");
}

static void by_hand(void **state) {
  if (need(state)) skip();
  /* even and odd numbers of k have a sum each, and c is added last: 2^24 + 1 is 2^24 */
  static const double order[][4] = {{0x1p24, -0x1p24, 1, 1}, {1, 0, 1, 0}};
  assert_true(one(order, 2, 0) == 0);
  static const double last[][4] = {{1, 0, 1, 0}, {1, 0, 1, 0}};
  assert_true(one(last, 2, 0x1p24f) == 0x1p24f + 2);
  /* a factor below 2^-126 is 0, and so is a sum, and a c */
  static const double factor[][4] = {{0x1p-127, 1, 0x1p100, 2}};
  assert_true(one(factor, 1, 0) == 2);
  static const double small[][4] = {{0x1p-100, 0, 0x1p-27, 0}};
  assert_true(one(small, 1, 0) == 0);
  static const double least[][4] = {{0x1p-100, 0, 0x1p-26, 0}};
  assert_true(one(least, 1, 0) == 0x1p-126f);
  assert_true(one(small, 1, 0x1p-127f) == 0);
  /* a multiply-add rounds once: 2^-120 (1 + 2^-7)^2 - 2^-120 (1 + 2^-6) is 2^-134, which is 0 */
  static const double once[][4] = {{-0x1p-120, 0, 1 + 0x1p-6, 0}, {0x1.02p-60, 0, 0x1.02p-60, 0}};
  assert_true(one(once, 2, 0) == 0);
  static const double nothing[][4] = {{INFINITY, 0, 0, 0}};
  assert_true(isnan(one(nothing, 1, 0)));
  static const double infinite[][4] = {{INFINITY, 1, 2, 1}};
  assert_true(isinf(one(infinite, 1, -1)));
  static const double third[][4] = {{1, 0, 0x1p-25, 0}}; /* to nearest, whatever is set */
  fesetround(FE_UPWARD);
  const float up = one(third, 1, 1);
  const int kept = fegetround();
  fesetround(FE_TONEAREST);
  assert_true(up == 1 && kept == FE_UPWARD);
}

/* ---- the manual's text ---- */
static float flushed(float x) { return fabsf(x) < 0x1p-126f ? copysignf(0, x) : x; }
static void as_the_manual(Tiles *t) {
  for (int m = 0; m < SIDE; m++)
    for (int n = 0; n < SIDE; n++) {
      float sums[2] = {0, 0};
      for (int k = 0; k < SIDE; k++)
        for (int i = 0; i < 2; i++)
          sums[i] = flushed(
              fmaf(flushed(wide(t->a[m][2 * k + i])), flushed(wide(t->b[k][n][i])), sums[i]));
      t->c[m][n] = flushed(flushed(t->c[m][n]) + flushed(sums[0] + sums[1]));
    }
}

static uint32_t seed = 99;
static uint32_t chance(void) { return (seed = seed * 1664525u + 1013904223u) >> 8; }
/* Any bits but those of NaN, whose payload is nobody's promise; `spread` powers of two around 1. */
static uint16_t number(int spread) {
  const uint32_t power = 127 + chance() % (2 * (uint32_t)spread + 1) - (uint32_t)spread;
  return (uint16_t)(chance() % 2 << 15 | power << 7 | chance() % 128);
}
static void fill(Tiles *t, int spread) {
  for (int r = 0; r < SIDE; r++) {
    for (int i = 0; i < SIDE; i++)
      t->c[r][i] = wide(number(spread)) * (1 + (float)chance() * 0x1p-24f);
    for (int i = 0; i < DEPTH; i++) t->a[r][i] = number(spread);
    for (int i = 0; i < DEPTH; i++) t->b[r][i / 2][i % 2] = number(spread);
  }
}
static const int spreads[] = {0, 3, 20, 60, 63, 126};

/* The processor's own. */
static void native(Tiles *t) {
  __asm__ volatile("ldtilecfg %0" : : "m"(shape));
  const int64_t c = sizeof t->c[0], a = sizeof t->a[0], b = sizeof t->b[0];
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm0" : : "r"(t->c), "r"(c) : "memory");
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm4" : : "r"(t->a), "r"(a) : "memory");
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm6" : : "r"(t->b), "r"(b) : "memory");
  __asm__ volatile("tdpbf16ps %%tmm6, %%tmm4, %%tmm0" : :);
  __asm__ volatile("tilestored %%tmm0, (%0,%1,1)" : : "r"(t->c), "r"(c) : "memory");
  __asm__ volatile("tilerelease" : : : "memory");
}

static void are_alike(void (*other)(Tiles *t)) {
  for (size_t s = 0; s < sizeof spreads / sizeof *spreads; s++)
    for (int i = 0; i < 20; i++) {
      Tiles t, u;
      fill(&t, spreads[s]);
      u = t;
      emulated(&t);
      other(&u);
      for (int r = 0; r < SIDE; r++)
        for (int j = 0; j < SIDE; j++)
          if (memcmp(&t.c[r][j], &u.c[r][j], sizeof t.c[r][j]) != 0 &&
              !(isnan(t.c[r][j]) && isnan(u.c[r][j])))
            fail_msg("2^%d: %a, should be %a", spreads[s], (double)t.c[r][j], (double)u.c[r][j]);
    }
}
static void by_the_manual(void **state) {
  if (need(state)) skip();
  are_alike(as_the_manual);
}
static void by_the_processor(void **state) {
  (void)state;
  if (!cpu_tiles() || syscall(158, 0x1023, 18) != 0) skip();
  are_alike(native);
}

/* ---- what is no program ---- */
static void too_early(void) { amx_zero(0); }
static void too_late(void) {
  amx_open(&shape);
  amx_close();
  amx_dot(0, 4, 6);
}
static void another_shape(void) {
  AmxShape s = shape;
  s.rows[7] = 8;
  amx_open(&s);
}
static void mistakes_stop(void **state) {
  (void)state;
  static void (*const mistakes[])(void) = {too_early, too_late, another_shape};
  for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
    int status, ends[2];
    char said[200] = "";
    assert_int_equal(pipe(ends), 0);
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
      signal(SIGABRT, SIG_DFL);
      dup2(ends[1], 2);
      mistakes[i]();
      _exit(0);
    }
    close(ends[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(read(ends[0], said, sizeof said - 1) > 0);
    close(ends[0]);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(said, "emulated tiles: "));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(by_hand),
      cmocka_unit_test(by_the_manual),
      cmocka_unit_test(by_the_processor),
      cmocka_unit_test(mistakes_stop),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
#else
/* Another architecture has no such tiles, and nothing to emulate. */
static void none(void **state) {
  (void)state;
  assert_false(cpu_tiles());
}
int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(none)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
