/* SPDX-License-Identifier: MIT */
/* The scalar functions of generated code against libm in double precision:
 * every 4001st float (and every float near the edges that matter), in the same
 * simd loops that generated kernels use; the draws against draws.c; and where packed
 * operands of products in bf16 lie. */
#include <setjmp.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "compiler/ir/draws.h"
#include "compiler/ir/ir.h"
#include "compiler/cpu/prelude_draws.h"
#include "compiler/cpu/prelude_erf.h"
#include "compiler/cpu/prelude_tiles.h"

enum { BLOCK = 4096, STRIDE = 4001 };

typedef void Apply(const float *x, float *y);
typedef double Reference(double x);

#define APPLY(name, expr)                                                        \
  static __attribute__((noinline)) void apply_##name(const float *x, float *y) { \
    _Pragma("omp simd") for (int i = 0; i < BLOCK; i++) y[i] = expr;             \
  }
APPLY(exp, td_expf(x[i]))
APPLY(expm1, td_expm1f(x[i]))
APPLY(log, td_logf(x[i]))
APPLY(log1p, td_log1pf(x[i]))
APPLY(tanh, td_tanhf(x[i]))
APPLY(sigmoid, td_sigmoidf(x[i]))
APPLY(erf, td_erff(x[i]))
APPLY(erf1p, td_erf1pf(x[i]))
APPLY(erf1p_gauss, td_erf1p_gaussf(x[i]))
APPLY(erf1p_table, td_erf1p_tablef(x[i]))
APPLY(gauss, td_gaussf(x[i]))
APPLY(sin, td_sinf(x[i]))
APPLY(cos, td_cosf(x[i]))
APPLY(atan, td_atanf(x[i]))
APPLY(sqrt, td_sqrtf(x[i]))
APPLY(rsqrt, td_rsqrtf(x[i]))
APPLY(floor, td_floorf(x[i]))
APPLY(round, td_roundf(x[i]))
APPLY(abs, td_absf(x[i]))

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double rsqrt(double x) { return 1 / sqrt(x); }
static double erf1p(double x) { return erfc(-x); }
static double gauss(double x) { return exp(-(float)(x * x)); }

/* Distance in units of float's last place at the true value; results that are
 * no normal floats count absolutely. */
static double ulps(float y, double truth) {
  float f = (float)truth;
  if (isnan(y) || isnan(f)) return isnan(y) && isnan(f) ? 0 : INFINITY;
  if (isinf(f) || isinf(y)) {
    if (y == f) return 0;
    return fabs(truth) > 0x1.fffffcp127 && fabs((double)y) > 0x1.fffffcp127 ? 1 : INFINITY;
  }
  double size = fabs(truth) < 0x1p-126 ? 0x1p-126 : fabs(truth);
  double unit = fabs(truth) < 0x1p-126 ? 0x1p-126 : ldexp(1, ilogb(size) - 23);
  return fabs(y - truth) / unit;
}

static double worst_of(const char *name, Apply *apply, Reference *reference, double absolute) {
  static float x[BLOCK], y[BLOCK];
  double worst = 0;
  float at = 0;
  uint64_t bits = 0;
  for (bool more = true; more;) {
    for (int i = 0; i < BLOCK; i++) {
      /* the last round visits what lies around zero, one, the limits and NaN */
      static const uint32_t edges[] = {0,           0x80000000u, 0x00800000u, 0x80800000u,
                                       0x3f800000u, 0xbf800000u, 0x7f800000u, 0xff800000u,
                                       0x7fc00000u, 0xffc00000u, 0x42b17218u, 0xc2aeac50u,
                                       0x3f666666u, 0x40800000u, 0x41200000u, 0x3f3504f3u};
      more = bits < (UINT64_C(1) << 32);
      uint32_t edge = edges[i % 16] + (uint32_t)(i / 16) - 128u;
      x[i] = td_float(more ? (uint32_t)bits : edge);
      bits += more ? STRIDE : 0;
    }
    apply(x, y);
    for (int i = 0; i < BLOCK; i++) {
      double truth = reference(x[i]), off = ulps(y[i], truth);
      if (fabs(y[i] - truth) <= absolute) off = 0;
      if (off > worst) worst = off, at = x[i];
    }
  }
  printf("  %-8s %.2f ulp at %.9g\n", name, worst, (double)at);
  return worst;
}

/* The limits are those that dsl/reference/values.md states. */
static void functions_are_accurate(void **state) {
  (void)state;
  assert_true(worst_of("exp", apply_exp, exp, 0) <= 2);
  assert_true(worst_of("expm1", apply_expm1, expm1, 0) <= 2);
  assert_true(worst_of("log1p", apply_log1p, log1p, 0) <= 2);
  assert_true(worst_of("atan", apply_atan, atan, 0) <= 2);
  assert_true(worst_of("log", apply_log, log, 0) <= 1);
  assert_true(worst_of("tanh", apply_tanh, tanh, 0) <= 3);
  assert_true(worst_of("sigmoid", apply_sigmoid, sigmoid, 0) <= 3);
  assert_true(worst_of("erf", apply_erf, erf, 0) <= 2);
  assert_true(worst_of("erf1p", apply_erf1p, erf1p, 3e-9) <=
              700); /* at -3.5; the next line is what it is for */
  assert_true(worst_of("erf1p", apply_erf1p, erf1p, 1.6e-7) == 0);
  assert_true(worst_of("erf1p by gauss", apply_erf1p_gauss, erf1p, 3e-9) <= 700);
  assert_true(worst_of("erf1p by gauss", apply_erf1p_gauss, erf1p, 1.7e-7) == 0);
  assert_true(worst_of("erf1p by table", apply_erf1p_table, erf1p, 3e-9) <= 700);
  assert_true(worst_of("erf1p by table", apply_erf1p_table, erf1p, 1.6e-7) == 0);
  assert_true(worst_of("gauss", apply_gauss, gauss, 0) <= 2);
  assert_true(worst_of("sin", apply_sin, sin, 0) <= 2);
  assert_true(worst_of("cos", apply_cos, cos, 0) <= 2);
  assert_true(worst_of("sqrt", apply_sqrt, sqrt, 0) <= 1);
  assert_true(worst_of("rsqrt", apply_rsqrt, rsqrt, 0) <= 2);
  assert_true(worst_of("floor", apply_floor, floor, 0) == 0);
  assert_true(worst_of("round", apply_round, rint, 0) == 0);
  assert_true(worst_of("abs", apply_abs, fabs, 0) == 0);
}

/* pairs of arguments: every combination of a list of edges, then random ones */
static float pair_argument(uint32_t *seed, bool wild) {
  static const float edge[] = {0,        -0.0f, 1,     -1,       2,         -2,     3,
                               -3,       0.5f,  -0.5f, 1e-40f,   1e38f,     -1e38f, 16777216,
                               16777215, 2.5f,  -2.5f, INFINITY, -INFINITY, NAN};
  *seed = *seed * 1664525u + 1013904223u;
  uint32_t r = *seed >> 8;
  if (wild) return edge[r % (sizeof edge / sizeof *edge)];
  return ((float)(r & 0xffff) / 65536.0f - 0.5f) * (r & 0x10000 ? 100.0f : 4.0f);
}

static void power_and_modulo(void **state) {
  (void)state;
  static float x[BLOCK], y[BLOCK], power[BLOCK], mod[BLOCK];
  uint32_t seed = 1;
  double worst = 0, worst_mod = 0;
  for (int round = 0; round < 40; round++) {
    for (int i = 0; i < BLOCK; i++) {
      x[i] = pair_argument(&seed, i % 3 == 0);
      y[i] = pair_argument(&seed, i % 2 == 0);
    }
#pragma omp simd
    for (int i = 0; i < BLOCK; i++) power[i] = td_powf(x[i], y[i]);
#pragma omp simd
    for (int i = 0; i < BLOCK; i++) mod[i] = td_modf(x[i], y[i]);
    for (int i = 0; i < BLOCK; i++) {
      double off = ulps(power[i], pow(x[i], y[i]));
      if (off > worst) worst = off;
      if (isinf(x[i]) || isinf(y[i]) || y[i] == 0 || fabs((double)x[i] / y[i]) > 0x1p28) continue;
      off = ulps(mod[i], td_mod(x[i], y[i]));
      if (off > worst_mod) worst_mod = off;
    }
  }
  printf("  pow      %.2f ulp\n  mod      %.2f ulp\n", worst, worst_mod);
  assert_true(worst <= 1);
  assert_true(worst_mod <= 1);
}

/* Large angles: two values known to ten digits, then libm's; and the float that is nearest of all
 * to a multiple of pi/2, for its size. */
static void large_angles(void **state) {
  (void)state;
  assert_true(fabsf(td_sinf(1e7f) - 0.42054779f) < 1e-7f);
  assert_true(fabsf(td_cosf(1e7f) + 0.90727039f) < 1e-7f);
  assert_true(fabsf(td_sinf(1e22f) - (float)sin(1e22f)) < 1e-7f);
  for (float x = 1.5f; x < 3e38f; x *= 1.37f) {
    assert_true(ulps(td_sinf(x), sin(x)) <= 2 && ulps(td_sinf(-x), -sin(x)) <= 2);
    assert_true(ulps(td_cosf(x), cos(x)) <= 2 && ulps(td_cosf(-x), cos(x)) <= 2);
  }
  const float hard = 16367173.0f * 0x1p72f; /* its cosine is 1.6e-9 */
  assert_true(fabs(cos(hard)) < 2e-9 && ulps(td_cosf(hard), cos(hard)) <= 2);
  assert_true(isnan(td_sinf(INFINITY)) && isnan(td_cosf(-INFINITY)) && isnan(td_sinf(NAN)));
}

static void small_ones(void **state) {
  (void)state;
  assert_true(td_minf(1, 2) == 1 && td_maxf(1, 2) == 2);
  /* ties: the first */
  assert_true(signbit(td_minf(-0.0f, 0.0f)) && !signbit(td_minf(0.0f, -0.0f)));
  assert_true(signbit(td_maxf(-0.0f, 0.0f)) && !signbit(td_maxf(0.0f, -0.0f)));
  assert_true(isnan(td_minf(NAN, 1)) && isnan(td_minf(1, NAN)) && isnan(td_minf(NAN, INFINITY)));
  assert_true(isnan(td_maxf(NAN, 1)) && isnan(td_maxf(1, NAN)) && isnan(td_maxf(-INFINITY, NAN)));
  assert_true(isnan(td_min(NAN, 1)) && isnan(td_min(1, NAN)));
  assert_true(isnan(td_max(NAN, 1)) && isnan(td_max(1, NAN)));
  /* exp(-1), exp(-4); 1 + erf(+-1); the ends of both */
  assert_true(fabsf(td_gaussf(1) - 0.36787944f) < 6e-8f && td_gaussf(-2) == td_gaussf(2));
  assert_true(fabsf(td_gaussf(2) - 0.018315639f) < 4e-9f && td_gaussf(0) == 1);
  assert_true(td_gaussf(INFINITY) == 0 && td_gaussf(-1e30f) == 0 && isnan(td_gaussf(-NAN)));
  assert_true(fabsf(td_erf1p_gaussf(1) - 1.8427008f) < 1.7e-7f);
  assert_true(fabsf(td_erf1p_gaussf(-1) - 0.15729921f) < 1e-7f);
  assert_true(td_erf1p_gaussf(0.0f) == 1 && td_erf1p_gaussf(-0.0f) == 1);
  assert_true(td_erf1p_gaussf(INFINITY) == 2 && td_erf1p_gaussf(-INFINITY) == 0);
  assert_true(isnan(td_erf1p_gaussf(NAN)) && isnan(td_erf1p_gaussf(-NAN)));
  assert_true(fabsf(td_erf1p_tablef(1) - 1.8427008f) < 1.6e-7f);
  assert_true(fabsf(td_erf1p_tablef(-3.5f) - 7.4309837e-7f) < 4e-5f * 7.4309837e-7f);
  assert_true(td_erf1p_tablef(0.0f) == 1 && td_erf1p_tablef(-0.0f) == 1);
  assert_true(td_erf1p_tablef(INFINITY) == 2 && td_erf1p_tablef(-INFINITY) == 0);
  assert_true(isnan(td_erf1p_tablef(NAN)) && isnan(td_erf1p_tablef(-NAN)));
  assert_int_equal(td_intf(-1.5f), -2);
  assert_int_equal(td_intf(1e20f), INT32_MAX);
  assert_int_equal(td_intf(-1e20f), INT32_MIN);
  assert_int_equal(td_intf(NAN), 0);
  assert_int_equal(td_intf(2147483520), 2147483520);
  assert_int_equal(td_int(-1.5), -2);
  assert_int_equal(td_int(1e20), INT32_MAX);
  assert_int_equal(td_int(-1e20), INT32_MIN);
  assert_int_equal(td_int(NAN), 0);
  assert_true(td_roundf(2.5f) == 2 && td_roundf(3.5f) == 4 && td_roundf(-0.5f) == 0);
  for (int a = -9; a <= 9; a++) {
    for (int b = -4; b <= 4; b++) {
      int q = b == 0 ? 0 : (int)floor((double)a / b), r = b == 0 ? 0 : a - b * q;
      assert_int_equal(td_idiv(a, b), q);
      assert_int_equal(td_imod(a, b), r);
      assert_int_equal(td_idiv((int64_t)a, b), q);
      assert_int_equal(td_imod((int64_t)a, b), r);
    }
  }
  assert_int_equal(td_idiv(INT32_MIN, -1), INT32_MIN);
  assert_int_equal(td_imod(INT64_MIN, (int64_t)-1), 0);
  assert_int_equal(td_iabs(-3), 3);
  assert_int_equal(td_imin(3, INT64_C(1) << 40), 3);
  assert_int_equal(td_imax(3, INT64_C(1) << 40), INT64_C(1) << 40);
}

/* Extents of drawn integers: none, one, few, those whose products carry often, the most, more. */
enum { BELOWS = 7 };
static const int64_t belows[BELOWS] = {-1, 1, 65, 10000000, 0x7fffffff, 0x80000000, 0x80000001};

/* in units of the last place of the float nearest to y */
static double off_by(float x, double y) {
  const float nearest = fabsf((float)y);
  return fabs((double)x - y) / (double)(nextafterf(nearest, INFINITY) - nearest);
}

static void draws_agree(void **state) {
  (void)state;
  static float uniform[BLOCK], normal[BLOCK];
  uint32_t x0, x1, x2, x3;
  TdControl zero = {0, 0};
  td_philox(&zero, 0, 0, &x0, &x1, &x2, &x3); /* the generator's published answer */
  assert_int_equal(x0, 0x6627e8d5u);
  assert_int_equal(x1, 0xe169c58du);
  assert_int_equal(x2, 0xbc57ac4cu);
  assert_int_equal(x3, 0x9b00dbd8u);
  const TdControl control[] = {
      {1, 0}, {UINT64_C(0x123456789abcdef0), 3}, {UINT64_MAX, INT64_C(5000000000)}};
  const int64_t start[] = {0, INT64_C(4294967296) - 100, INT64_C(1) << 50};
  double worst = 0;
  for (int c = 0; c < 3; c++) {
    for (int s = 0; s < 3; s++) {
      const TdControl *ctl = &control[c];
      uint32_t site = 0x9e3779b9u * (uint32_t)(c + 1);
#pragma omp simd
      for (int i = 0; i < BLOCK; i++) uniform[i] = td_uniformf(ctl, site, start[s] + i);
#pragma omp simd
      for (int i = 0; i < BLOCK; i++) normal[i] = td_normalf(ctl, site, start[s] + i);
      for (int i = 0; i < BLOCK; i++) {
        uint64_t at = (uint64_t)(start[s] + i), step = (uint64_t)ctl->step;
        assert_true((double)uniform[i] == draw_uniform(ctl->seed, step, site, at));
        double off = fabs(normal[i] - draw_normal(ctl->seed, step, site, at));
        if (off > worst) worst = off;
        assert_true(td_uniform(ctl, site, start[s] + i) == (double)uniform[i]);
        assert_true(fabs(td_normal(ctl, site, start[s] + i) - normal[i]) < 1e-6);
      }
    }
  }
  static int32_t whole[BLOCK + TD_LANES];
  static float run[BLOCK + TD_LANES]; /* runs: any beginning, any end, the same numbers */
  for (int n = 1; n <= BLOCK; n = n < 200 ? n + 1 : n * 3) {
    int64_t first = 17 * n % 131;
    td_uniform_run(run, &control[1], 5, first, n);
    for (int i = 0; i < n; i++) assert_true(run[i] == td_uniformf(&control[1], 5, first + i));
    td_normal_run(run, &control[1], 5, first, n);
    for (int i = 0; i < n; i++)
      assert_true(fabsf(run[i] - td_normalf(&control[1], 5, first + i)) <= 1e-6f);
    td_log_uniform_run(run, &control[1], 5, first, n);
    for (int i = 0; i < n; i++)
      assert_true(off_by(run[i], td_log_uniformf(&control[1], 5, first + i)) <= 2);
    td_log_rest_run(run, &control[1], 5, first, n);
    for (int i = 0; i < n; i++)
      assert_true(off_by(run[i], td_log_restf(&control[1], 5, first + i)) <= 2);
    for (int k = 0; k < BELOWS; k++) {
      td_pick_run(whole, &control[1], 5, first, n, belows[k]);
      for (int i = 0; i < n; i++)
        assert_true(whole[i] == td_pick(&control[1], 5, first + i, belows[k]));
    }
  }
  printf("  normal   off by %.2g\n", worst);
  assert_true(worst < 1e-6);
}

/* What takes 64 bits against draws.c; of so many draws thousands are near an end, where the
 * lower word counts. */
static void long_draws_agree(void **state) {
  (void)state;
  const TdControl control = {UINT64_C(0x123456789abcdef0), 3};
  double worst = 0;
  int near = 0;
  for (int64_t i = 0; i < 1 << 20; i++) {
    const double u = draw_log_uniform(control.seed, 3, 9, (uint64_t)i),
                 rest = draw_log_rest(control.seed, 3, 9, (uint64_t)i);
    near += u > -0x1p-9 || rest > -0x1p-9;
    worst = fmax(worst, off_by(td_log_uniformf(&control, 9, i), u));
    worst = fmax(worst, off_by(td_log_restf(&control, 9, i), rest));
    assert_true(fabs(td_log_uniform(&control, 9, i) - u) <= 1e-15 * fabs(u));
    assert_true(fabs(td_log_rest(&control, 9, i) - rest) <= 1e-15 * fabs(rest));
    for (int k = 0; k < BELOWS; k++)
      assert_true(td_pick(&control, 9, i, belows[k]) ==
                  draw_pick(control.seed, 3, 9, (uint64_t)i, belows[k]));
  }
  printf("  log of a draw off by %.2f units, %d near an end\n", worst, near);
  assert_true(worst < 2 && near > 3500 && near < 4700); /* 2^12 are expected */
  /* by hand: words 0 and 2^32 - 1 with the lower ones that matter */
  assert_true(td_near_end_of(0, 5) == 0x5p-64f && td_near_end_of(~0u, ~5u) == 0x5p-64f);
  assert_true(td_near_end_of(0, 0) == 0x1p-64f && td_near_end_of(~0u, ~0u) == 0x1p-64f);
  assert_true(td_near_end_of(3, 0x80000000u) == 0x3.8p-32f && td_end_of(~0x800000u) == 0x1p-9f);
  assert_true(td_log_of_end(0x1p-64f, 1) == -0x1p-64f);
  assert_true(fabsf(td_log_of_end(0x1p-64f, 0) + 44.3614196f) < 4e-6f); /* 64 log 2 */
}

/* A nest as generated kernels have them: GCC 12 makes it three times too large at
 * -O3, unless the prelude keeps it from fusing iterations. */
static __attribute__((noinline)) void sum_in_an_array(const float *restrict table,
                                                      float *restrict y) {
  float sum[17] __attribute__((aligned(64)));
  for (int64_t k = 0; k < 17; k++) sum[k] = 0.0f;
  for (int64_t i = 0; i < 4; i++) {
    for (int64_t j = 0; j < 3; j++) {
      const float t =
          table[(int64_t)(((int32_t)j < 2) ? ((3 <= ((int32_t)i + (int32_t)j)) ? 0 : 1) : 0)];
#pragma omp simd
      for (int64_t k = 0; k < 17; k++) {
        sum[k] += (0.08333333333333333f * (t * (0.125f * ((float)(int32_t)k))));
      }
    }
  }
#pragma omp simd
  for (int64_t k = 0; k < 17; k++) y[k] = sum[k];
}
static void test_loops_are_not_fused(void **state) {
  (void)state;
  const float table[2] = {0.625f, -0.625f}; /* 7 times the first, 5 times the second */
  float y[17];
  sum_in_an_array(table, y);
  for (int k = 0; k < 17; k++) assert_true(fabsf(y[k] - 1.25f / 12 * 0.125f * (float)k) < 1e-6f);
}

/* ---- operands in bf16 ----------------------------------------------------------- */
/* Small integers are numbers of bf16: the bits of number (outer, k). */
/* Partial sums are put together by halves, whatever vectors the processor has. */
static void sums_are_put_together_by_halves(void **state) {
  (void)state;
  float sums[TD_RUN], left[TD_RUN];
  uint32_t seed = 1;
  for (int round = 0; round < 100; round++) {
    for (int i = 0; i < TD_RUN; i++) {
      seed = seed * 1664525u + 1013904223u;
      sums[i] = left[i] = ((float)(seed >> 8) - 0x1p23f) * (i % 5 ? 1.0f : 1e-4f);
    }
    for (int n = TD_RUN / 2; n > 0; n /= 2)
      for (int i = 0; i < n; i++) left[i] += left[i + n];
    assert_true(td_sum_of(sums) == left[0]);
  }
}

static uint16_t packed_of(int64_t outer, int64_t k) {
  float x = (float)((outer * 7 + k * 3) % 251 + 1);
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return (uint16_t)(bits >> 16);
}

/* outer x depth numbers, from memory where either lies side by side, as operand A or B: where
 * prelude_narrow.h says that each is, zeros up to whole tiles. */
static void check_packed(int64_t outer, int64_t depth, bool half, bool along, bool b) {
  enum { PITCH = 112, MOST = 96 * 96, K0 = 32 };
  static uint16_t halves[PITCH * PITCH], to[2 * MOST];
  static float floats[PITCH * PITCH];
  const int64_t steps = (depth + 31) / 32, panel = (K0 + steps * 32) * 32;
  for (int64_t i = 0; i < PITCH * PITCH; i++) {
    halves[i] = along ? packed_of(i / PITCH, i % PITCH) : packed_of(i % PITCH, i / PITCH);
    floats[i] = td_wide(halves[i]);
  }
  memset(to, 0xff, sizeof to);
  const void *from = half ? (const void *)halves : (const void *)floats;
  if (b && along)
    td_narrow_pack_b_turned(to, panel, K0, from, half, PITCH, outer, depth);
  else if (b)
    td_narrow_pack_b(to, panel, K0, from, half, PITCH, outer, depth);
  else if (along)
    td_narrow_pack_a(to, from, half, PITCH, outer, depth);
  else
    td_narrow_pack_a_turned(to, from, half, PITCH, outer, depth);
  for (int64_t r = 0; r < (outer + 15) / 16 * 16; r++)
    for (int64_t k = 0; k < steps * 32; k++) {
      int64_t at = b ? r / 32 * panel + (K0 + k) / 2 * 64 + r % 32 * 2 + k % 2
                     : (r / 16 * steps + k / 32) * 512 + r % 16 * 32 + k % 32;
      uint16_t wanted = r < outer && k < depth ? packed_of(r, k) : 0;
      if (to[at] != wanted)
        fail_msg("%s of %s, %s: (%d, %d) of %d x %d is %#x, not %#x", b ? "B" : "A",
                 half ? "bf16" : "floats", along ? "k side by side" : "turned", (int)r, (int)k,
                 (int)outer, (int)depth, (unsigned)to[at], (unsigned)wanted);
    }
}

static void operands_lie_where_tiles_read(void **state) {
  (void)state;
  static const int size[][2] = {{16, 32}, {64, 96}, {48, 32}, {37, 65}, {5, 3}, {96, 50}};
  for (size_t i = 0; i < sizeof size / sizeof size[0]; i++)
    for (int kind = 0; kind < 8; kind++)
      check_packed(size[i][0], size[i][1], kind & 1, kind & 2, kind & 4);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_loops_are_not_fused),
      cmocka_unit_test(functions_are_accurate),
      cmocka_unit_test(power_and_modulo),
      cmocka_unit_test(large_angles),
      cmocka_unit_test(small_ones),
      cmocka_unit_test(draws_agree),
      cmocka_unit_test(long_draws_agree),
      cmocka_unit_test(sums_are_put_together_by_halves),
      cmocka_unit_test(operands_lie_where_tiles_read),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
