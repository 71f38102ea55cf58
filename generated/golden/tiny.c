/* tiny: made by tdc. A library of its own; tiny.h tells its functions. Build it with
 *     cc -O3 -shared -fPIC tiny.c -o libtiny.so -lm -lpthread
 * and fastest with -march=native -fopenmp-simd -fno-math-errno -fno-trapping-math -ffp-contract=fast. */
#define _GNU_SOURCE
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#if defined __GNUC__
#pragma GCC diagnostic ignored "-Wunknown-pragmas"
#endif

#include "tiny.h"

/* The prelude: what every generated translation unit begins with. It is C text
 * first (the build embeds it as a string; generated code must stand alone) and
 * a header second (the tests include it). Inside: the call contract of
 * compiler/program/program.h, the scalar functions behind the language's primitives and
 * the random draws (compiler/emit/scalar.h, whose text stands here when it is embedded),
 * and the tiles of the matrix products.
 *
 * What tdc generates, this text in it included, may be used under any terms. */
#ifndef TD_PRELUDE
#define TD_PRELUDE

/* GCC 12 at -O3 fuses iterations of a loop around a vector loop that adds into an
 * array, and takes the value of one of them for all: wrong sums. */
#if defined __GNUC__ && !defined __clang__
#pragma GCC optimize("no-loop-unroll-and-jam")
#endif

#include <stddef.h>
#include <stdint.h>

/* What is called of <math.h>, all of which a C compiler reads longer than a small kernel. */
float fabsf(float x), floorf(float x), rintf(float x), sqrtf(float x);
double atan(double x), cos(double x), erf(double x), exp(double x), expm1(double x), floor(double x);
double fmod(double x, double y), log(double x), log1p(double x), pow(double x, double y);
double rint(double x), sin(double x), sqrt(double x), tanh(double x);

#ifndef TDC_PROGRAM_H
typedef struct TdControl { uint64_t seed; int64_t step; } TdControl;
typedef struct TdCall {
  char *const     *arg;         /* the launch's buffers, in order */
  const int64_t   *ix;          /* loop counters by slot */
  char            *scratch;     /* this thread's own, 64-byte aligned */
  const TdControl *ctl;
  uint64_t         launch;      /* counts up; scratch keeps what this launch left; 0: nothing */
} TdCall;
#endif

enum { TD_BLOCK = 256 };          /* rows of a flat map that are done together, where that matters */

#define TD_INLINE static inline __attribute__((always_inline, unused))
#if defined __clang__
#define TD_APART __attribute__((noinline, unused))
#else
#define TD_APART __attribute__((noinline, noclone, unused))
#endif
/* The larger functions are shared. A unit that stands alone has its own copies;
 * where a program has many units (runtime/cpu/jit.c) they define TD_DECLARES and
 * only declare them, and those that are called get units of nothing but the
 * prelude: a processor compiles them once for all programs. With TD_DEFINES one
 * unit has all of them (runtime/cpu/ready.h). */
#ifdef TD_DECLARES
#define TD_SHARED __attribute__((visibility("hidden"))) TD_APART
#elif defined TD_DEFINES
#define TD_SHARED __attribute__((visibility("hidden"), weak)) TD_APART
#else
#define TD_SHARED static TD_APART
#endif

/* ---- bits ------------------------------------------------------------------- */
TD_INLINE uint32_t td_bits(float x) {
  uint32_t u;
  __builtin_memcpy(&u, &x, sizeof u);
  return u;
}
TD_INLINE float td_float(uint32_t u) {
  float x;
  __builtin_memcpy(&x, &u, sizeof x);
  return x;
}
#define TD_INFF __builtin_inff()
#define TD_NANF __builtin_nanf("")

/* The scalar functions behind the language's primitives, and the random draws: one text
 * for C and for CUDA, so that both compute the same numbers. Before it stand the types
 * uint32_t, int32_t, uint64_t and int64_t, TdControl, TD_INLINE, TD_INFF, TD_NANF, td_bits
 * and td_float (a float's bits and back), and the functions of C's math library.
 *
 * The float functions are branch-free, so that loops over them become vector
 * code; they are within 4 units in the last place of the true value, keep NaN,
 * have the right limits, and may flush results below 2^-126 to zero. They need
 * no flag but profit from -fno-math-errno -fno-trapping-math -ffp-contract=fast. */
#ifndef TD_SCALAR
#define TD_SCALAR

/* ---- float functions ---------------------------------------------------------- */
/* |magnitude| with the sign of `sign` */
TD_INLINE float td_copysignf(float magnitude, float sign) {
  return td_float((td_bits(magnitude) & 0x7fffffffu) | (td_bits(sign) & 0x80000000u));
}

/* Adding this rounds |x| < 2^22 to an integer, which then stands in the low bits. */
#define TD_ROUNDER 12582912.0f

/* a NaN on either side wins, of equals the first: the processor's own minimum of b
 * and a keeps a NaN in a, which leaves b */
TD_INLINE float td_minf(float a, float b) {
  float least = b < a ? b : a;
  return b == b ? least : b;
}
TD_INLINE float td_maxf(float a, float b) {
  float most = b > a ? b : a;
  return b == b ? most : b;
}
TD_INLINE float td_absf(float x) { return fabsf(x); }
TD_INLINE float td_sqrtf(float x) { return sqrtf(x); }
TD_INLINE float td_rsqrtf(float x) { return 1.0f / sqrtf(x); }
TD_INLINE float td_floorf(float x) { return floorf(x); }
TD_INLINE float td_roundf(float x) { return rintf(x); }   /* halves to even */

/* floor as an integer, saturated; of NaN 0 */
TD_INLINE int32_t td_intf(float x) {
  float f = floorf(x == x ? x : 0.0f);
  f = f >= -0x1p31f ? f : -0x1p31f;
  const int32_t i = (int32_t)(f < 0x1p31f ? f : 0.0f);
  return f < 0x1p31f ? i : INT32_MAX;
}

/* a - b * floor(a / b), exact for |a / b| < 2^28; the sign is the divisor's */
TD_INLINE float td_modf(float a, float b) {
  double x = a, y = b, r = x - floor(x / y) * y;
  return (float)((r < 0) != (y < 0) && r != 0 ? r + y : r);
}

/* exp(r) - 1 - r for |r| <= log(2) / 2, divided by r^2 */
TD_INLINE float td_exp_tail(float r) {
  float q = 0x1.6db4dep-10f;
  q = q * r + 0x1.123bdep-7f;
  q = q * r + 0x1.55545ep-5f;
  q = q * r + 0x1.55548ep-3f;
  return q * r + 0.5f;
}
/* exp where the result is a normal number; anything elsewhere */
TD_INLINE float td_exp_core(float x) {
  float t = x * 0x1.715476p+0f + TD_ROUNDER, n = t - TD_ROUNDER;
  float r = x - n * 0x1.62e4p-1f - n * 0x1.7f7d1cp-20f;
  float p = 1.0f + (r + r * r * td_exp_tail(r));
  return td_float(td_bits(p) + (td_bits(t) << 23));
}
TD_INLINE float td_expf(float x) {
  float y = td_exp_core(x);
  y = x >= -87.33654f ? y : 0.0f;
  return x <= 0x1.62e42ep+6f ? y : x + TD_INFF;
}

/* 2^n (exp(r) - 1) + (2^n - 1), as twice its half: 2^128 is no float */
TD_INLINE float td_expm1f(float x) {
  float y = x > -20.0f ? x : -20.0f;                        /* beyond it is -1 */
  float t = y * 0x1.715476p+0f + TD_ROUNDER, n = t - TD_ROUNDER;
  float r = y - n * 0x1.62e4p-1f - n * 0x1.7f7d1cp-20f;
  float half = td_float((td_bits(t) << 23) + 0x3f000000u);  /* 2^(n - 1) */
  float e = half * (r + r * r * td_exp_tail(r)) + (half - 0.5f);
  return x <= 0x1.62e42ep+6f ? e + e : x + TD_INFF;
}

/* log of a positive normal number */
TD_INLINE float td_log_core(float x) {
  int32_t k = (int32_t)(td_bits(x) - 0x3f3504f3u);          /* from sqrt(1/2) */
  float n = (float)(k >> 23);
  float f = td_float(((uint32_t)k & 0x7fffffu) + 0x3f3504f3u) - 1.0f;
  float z = f * f, q = -0x1.41edaap-4f;
  q = q * f + 0x1.07d0c6p-3f;
  q = q * f - 0x1.0ce078p-3f;
  q = q * f + 0x1.226e50p-3f;
  q = q * f - 0x1.547880p-3f;
  q = q * f + 0x1.99a596p-3f;
  q = q * f - 0x1.000220p-2f;
  q = q * f + 0x1.55554ap-2f;
  float low = f * z * q + n * 0x1.7f7d1cp-20f;
  return n * 0x1.62e4p-1f + (f + (low - 0.5f * z));
}
TD_INLINE float td_logf(float x) {
  int small = x < 0x1p-126f;
  float y = td_log_core(small ? x * 0x1p23f : x) - (small ? 15.942385f : 0.0f);
  float edge = x > 0 ? x : x == 0 ? -TD_INFF : TD_NANF;     /* inf, 0, negative, NaN */
  return x > 0 && x < TD_INFF ? y : edge;
}

/* log of u, which is 1 + x rounded, and by the slope 1 / u what rounding lost */
TD_INLINE float td_log1pf(float x) {
  float u = 1.0f + x, lost = x - (u - 1.0f);
  float y = td_log_core(u) + lost / u;
  float edge = x > -1.0f ? x : x == -1.0f ? -TD_INFF : TD_NANF;   /* inf, -1, below, NaN */
  return x > -1.0f && x < TD_INFF ? y : edge;
}

/* (e - 1) / (e + 1) with e = exp(2 |x|) and e - 1 computed without cancellation */
TD_INLINE float td_tanhf(float x) {
  float a = fabsf(x);
  float y = a > 10.0f ? 20.0f : 2.0f * a;
  float t = y * 0x1.715476p+0f + TD_ROUNDER, n = t - TD_ROUNDER;
  float r = y - n * 0x1.62e4p-1f - n * 0x1.7f7d1cp-20f;
  float s = td_float((td_bits(t) << 23) + 0x3f800000u);
  float e = s * (r + r * r * td_exp_tail(r)) + (s - 1.0f);
  e = e / (e + 2.0f);
  return a == a ? td_copysignf(e, x) : x;
}
TD_INLINE float td_sigmoidf(float x) { return 1.0f / (1.0f + td_expf(-x)); }

TD_INLINE float td_erff(float x) {
  float a = fabsf(x), z = x * x;
  float s = -0x1.3f4f6cp-11f;                               /* near 0: erf(x) / x - 1 */
  s = s * z + 0x1.4876c8p-8f;
  s = s * z - 0x1.b6bee2p-6f;
  s = s * z + 0x1.ce1dd2p-4f;
  s = s * z - 0x1.8126fap-2f;
  s = s * z + 0x1.06eba6p-3f;
  s = x + x * s;
  float y = a > 4.0f ? 4.0f : a;
  float q = -0x1.5d7284p-16f;                               /* beyond: log(1 - erf(y)) */
  q = q * y + 0x1.c45986p-12f;
  q = q * y - 0x1.106272p-8f;
  q = q * y + 0x1.9aebc4p-6f;
  q = q * y - 0x1.bb4550p-4f;
  q = q * y - 0x1.444d1ep-1f;
  q = q * y - 0x1.212628p+0f;
  q = q * y + 0x1.62d9dep-13f;
  float t = td_copysignf(1.0f - td_exp_core(q), x);
  return a >= 0.9f ? t : s;
}

/* 1 + erf(x): within 1.5e-7, and where x < 0, where that would cancel, within 4e-5 of it down to -3.5 */
TD_INLINE float td_erf1pf(float x) {
  float a = fabsf(x), y = a > 4.25f ? 4.25f : a;
  float q = 0x1.6fb698p-19f;                                /* log(1 - erf(y)) / y */
  q = q * y - 0x1.914318p-15f;
  q = q * y + 0x1.5a3736p-12f;
  q = q * y - 0x1.01f4ecp-10f;
  q = q * y - 0x1.6f7c40p-11f;
  q = q * y + 0x1.43c10ap-6f;
  q = q * y - 0x1.a5e7ecp-4f;
  q = q * y - 0x1.45eddep-1f;
  q = q * y - 0x1.20dd9ap+0f;
  float t = td_exp_core(q * y);
  float far = x == x ? 0.0f : x;
  t = a <= 4.25f ? t : far;
  return x < 0 ? t : 2.0f - t;
}

/* sin and cos of r in [-pi/4, pi/4] */
TD_INLINE float td_sin_core(float r) {
  float z = r * r, q = -0x1.994e5ap-13f;
  q = q * z + 0x1.110760p-7f;
  q = q * z - 0x1.555546p-3f;
  return r + r * z * q;
}
TD_INLINE float td_cos_core(float r) {
  float z = r * r, q = 0x1.9a020cp-16f;
  q = q * z - 0x1.6c0c8ap-10f;
  q = q * z + 0x1.55554ap-5f;
  return 1.0f + (z * z * q - 0.5f * z);
}
/* 32 bits from bit `at` of two words */
TD_INLINE uint32_t td_bits_at(uint32_t word, uint32_t next, uint32_t at) {
  return word << (at & 31) | next >> 1 >> (31 - (at & 31));
}
/* The words of 2/pi, after 32 zeros, and word at / 32 + k of them, at < 160: chosen by
 * the bits of `at`, since a table's elements take longer to gather than all the rest. */
#define TD_PI_0 0
#define TD_PI_1 0xa2f9836eu
#define TD_PI_2 0x4e441529u
#define TD_PI_3 0xfc2757d1u
#define TD_PI_4 0xf534ddc0u
#define TD_PI_5 0xdb629599u
#define TD_PI_6 0x3c439041u
#define TD_PI_7 0xfe5163abu
#define TD_PI_WORD(at, w0, w1, w2, w3, w4)                                                \
  ((at) & 128 ? w4 : (at) & 64 ? ((at) & 32 ? w3 : w2) : (at) & 32 ? w1 : w0)
/* sin(x + shift * pi/2). A float is a whole number of 24 bits times a power of two,
 * so of its product with 2/pi, from which its quadrant and what is left of it are
 * taken, only those 96 bits of 2/pi matter that stand behind the multiples of 4
 * (Payne and Hanek 1983): exact to 2^-60, where no float is nearer to a multiple of
 * pi/2 than 2^-30. */
TD_INLINE float td_sin_shifted(float x, uint32_t shift) {
  uint32_t a = td_bits(x) & 0x7fffffffu, negative = td_bits(x) >> 31;
  uint32_t u = a > 0x3f000000u ? a : 0x3f000000u, m = (u & 0x7fffffu) | 0x800000u;
  uint32_t at = (u >> 23) - 120u;                           /* of the bit that weighs 2 */
  uint32_t t0 = TD_PI_WORD(at, TD_PI_0, TD_PI_1, TD_PI_2, TD_PI_3, TD_PI_4);
  uint32_t t1 = TD_PI_WORD(at, TD_PI_1, TD_PI_2, TD_PI_3, TD_PI_4, TD_PI_5);
  uint32_t t2 = TD_PI_WORD(at, TD_PI_2, TD_PI_3, TD_PI_4, TD_PI_5, TD_PI_6);
  uint32_t t3 = TD_PI_WORD(at, TD_PI_3, TD_PI_4, TD_PI_5, TD_PI_6, TD_PI_7);
  uint64_t turns = ((uint64_t)(m * td_bits_at(t0, t1, at)) << 32)
                 + (uint64_t)m * td_bits_at(t1, t2, at)
                 + ((uint64_t)m * td_bits_at(t2, t3, at) >> 32);
  uint32_t high = (uint32_t)(turns >> 32), quadrant = (high + 0x20000000u) >> 30;
  int32_t left = (int32_t)(high - (quadrant << 30)), rest = (int32_t)((uint32_t)turns >> 1);
  float r = (float)((left + rest * 0x1p-31) * 0x1.921fb54442d18p-30);
  r = td_float(td_bits(r) ^ negative << 31);
  r = fabsf(x) > 0.5f ? r + (x - x) : x;           /* inf - inf is NaN */
  quadrant = (quadrant ^ (0u - negative)) + negative + shift;
  float y = quadrant & 1 ? td_cos_core(r) : td_sin_core(r);
  return td_float(td_bits(y) ^ (quadrant & 2) << 30);
}
TD_INLINE float td_sinf(float x) { return td_sin_shifted(x, 0); }
TD_INLINE float td_cosf(float x) { return td_sin_shifted(x, 1); }

/* of |x|; above 1 it is pi/2 less that of 1 / |x| */
TD_INLINE float td_atanf(float x) {
  float a = fabsf(x), w = a > 1.0f ? 1.0f / a : a;
  float z = w * w, q = 0x1.7ed23ep-9f;
  q = q * z - 0x1.0c2c1ap-6f;
  q = q * z + 0x1.61fddep-5f;
  q = q * z - 0x1.3556b8p-4f;
  q = q * z + 0x1.b4e12cp-4f;
  q = q * z - 0x1.230adcp-3f;
  q = q * z + 0x1.9978f4p-3f;
  q = q * z - 0x1.5554dcp-2f;
  float y = w + w * (z * q);
  y = a > 1.0f ? 0x1.921fb6p+0f - (y + 0x1.777a5cp-25f) : y;
  return td_copysignf(y, x);
}

/* exp2(y * log2|x|) in double precision, then the special cases of C's pow */
TD_INLINE float td_powf(float x, float y) {
  float a = fabsf(x);
  int small = a < 0x1p-126f;
  int32_t k = (int32_t)(td_bits(small ? a * 0x1p23f : a) - 0x3f3504f3u);
  double m = td_float(((uint32_t)k & 0x7fffffu) + 0x3f3504f3u);
  double s = (m - 1.0) / (m + 1.0), z = s * s;
  double l = 0.2829209060270302;
  l = l * z + 0.31990432209941166;
  l = l * z + 0.4122092838781351;
  l = l * z + 0.5770779420747336;
  l = l * z + 0.9617966941142595;
  l = l * z + 2.8853900817778495;
  l = l * s + (double)((k >> 23) - (small ? 23 : 0));       /* log2 |x| */
  double w = (double)y * l;
  w = w > 160.0 ? 160.0 : w;
  w = w < -160.0 ? -160.0 : w;
  double n = (w + 0x1.8p+52) - 0x1.8p+52, f = w - n;
  double e = 1.3175836022104213e-06;
  e = e * f + 1.530973768352583e-05;
  e = e * f + 0.00015403851898083555;
  e = e * f + 0.0013333452062109991;
  e = e * f + 0.00961812854255028;
  e = e * f + 0.05550410939339738;
  e = e * f + 0.24022650698882356;
  e = e * f + 0.6931471805465163;
  e = e * f + 1.0;
  int32_t i = (int32_t)(n == n ? n : 0.0), half = i >> 1;   /* in two steps: 2^-160 .. 2^160 */
  float scale = td_float((uint32_t)(half + 127) << 23);
  float v = (float)e * scale * td_float((uint32_t)(i - half + 127) << 23);
  float yf = floorf(y), yh = y * 0.5f;
  int whole = yf == y, odd = whole & (floorf(yh) != yh);
  v = a == 0 ? (y > 0 ? 0.0f : TD_INFF) : v;
  v = a == TD_INFF ? (y > 0 ? TD_INFF : 0.0f) : v;
  v = x < 0 && !whole && a < TD_INFF ? TD_NANF : v;
  v = odd ? td_copysignf(v, x) : v;
  v = x != x || y != y ? x + y : v;
  int one = x == 1.0f || y == 0 || (a == 1.0f && fabsf(y) == TD_INFF);
  return one ? 1.0f : v;
}

/* ---- integers --------------------------------------------------------------------
 * Division is floored and mod has the divisor's sign; by zero both give 0. */
#define TD_INTEGERS(T, U, S)                                                              \
  TD_INLINE T td_imin##S(T a, T b) { return a <= b ? a : b; }                             \
  TD_INLINE T td_imax##S(T a, T b) { return a >= b ? a : b; }                             \
  TD_INLINE T td_iabs##S(T a) { return a < 0 ? (T)(0 - (U)a) : a; }                       \
  TD_INLINE T td_idiv##S(T a, T b) {                                                      \
    if (b == 0 || b == -1) return b == 0 ? 0 : (T)(0 - (U)a);                             \
    return a / b - (a % b != 0 && (a < 0) != (b < 0));                                    \
  }                                                                                       \
  TD_INLINE T td_imod##S(T a, T b) {                                                      \
    if (b == 0 || b == -1) return 0;                                                      \
    T r = a % b;                                                                          \
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;                                      \
  }
TD_INTEGERS(int32_t, uint32_t, 32)
TD_INTEGERS(int64_t, uint64_t, 64)

/* ---- random draws ------------------------------------------------------------------
 * Philox 4x32 with ten rounds: key = (low word of the seed ^ site, its high word),
 * counter = (low, high word of a block's number, low, high word of the step). Draw
 * n has word n / 16 % 4 of block 16 (n / 64) + n % 16. */
#define TD_PHILOX_ROUND                                                                   \
  do {                                                                                    \
    uint64_t p0 = (uint64_t)c0 * 0xD2511F53u, p1 = (uint64_t)c2 * 0xCD9E8D57u;            \
    c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;                                                  \
    c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;                                                  \
    c1 = (uint32_t)p1;                                                                    \
    c3 = (uint32_t)p0;                                                                    \
    k0 += 0x9E3779B9u;                                                                    \
    k1 += 0xBB67AE85u;                                                                    \
  } while (0)
TD_INLINE void td_philox(const TdControl *ctl, uint32_t site, uint64_t block, uint32_t *x0,
                         uint32_t *x1, uint32_t *x2, uint32_t *x3) {
  uint32_t k0 = (uint32_t)ctl->seed ^ site, k1 = (uint32_t)(ctl->seed >> 32);
  uint32_t c0 = (uint32_t)block, c1 = (uint32_t)(block >> 32);
  uint32_t c2 = (uint32_t)ctl->step, c3 = (uint32_t)((uint64_t)ctl->step >> 32);
  TD_PHILOX_ROUND; TD_PHILOX_ROUND; TD_PHILOX_ROUND; TD_PHILOX_ROUND; TD_PHILOX_ROUND;
  TD_PHILOX_ROUND; TD_PHILOX_ROUND; TD_PHILOX_ROUND; TD_PHILOX_ROUND; TD_PHILOX_ROUND;
  *x0 = c0;
  *x1 = c1;
  *x2 = c2;
  *x3 = c3;
}
/* the word of a uniform draw, and the one below it where 64 bits are asked for */
#define TD_UPPER 0
#define TD_LOWER 0x8000000000000000u
TD_INLINE uint32_t td_draw_half(const TdControl *ctl, uint32_t site, int64_t number,
                                uint64_t half) {
  const uint64_t n = (uint64_t)number;
  uint32_t x0, x1, x2, x3;
  td_philox(ctl, site, (n >> 6 << 4) | (n & 15) | half, &x0, &x1, &x2, &x3);
  const uint32_t low = n & 16 ? x1 : x0, high = n & 16 ? x3 : x2;
  return n & 32 ? high : low;
}
TD_INLINE uint32_t td_draw_word(const TdControl *ctl, uint32_t site, int64_t number) {
  return td_draw_half(ctl, site, number, TD_UPPER);
}
/* the two words of a normal draw: what its radius is made of, and its angle in
 * turns of 2^32, a quarter turn back for every second draw of a pair */
TD_INLINE void td_draw_words(const TdControl *ctl, uint32_t site, int64_t number, uint32_t *radius,
                             uint32_t *angle) {
  const uint64_t n = (uint64_t)number;
  uint32_t x0, x1, x2, x3;
  td_philox(ctl, site, (n >> 6 << 4) | (n & 15), &x0, &x1, &x2, &x3);
  *radius = n & 32 ? x2 : x0;
  *angle = (n & 32 ? x3 : x1) - ((uint32_t)(n & 16) << 26);
}
/* [0, 1), 24 bits */
TD_INLINE float td_uniform_of(uint32_t word) { return (float)(int32_t)(word >> 8) * 0x1p-24f; }
TD_INLINE float td_uniformf(const TdControl *ctl, int64_t site, int64_t number) {
  return td_uniform_of(td_draw_word(ctl, (uint32_t)site, number));
}
/* How far u of 64 bits is from the nearer end of (0, 1), as a float. Its upper word is enough
 * unless it is so near that fewer than the 24 bits of a float are left of it. */
#define TD_END(word) ((word) ^ (0u - ((word) >> 31)))
#define TD_NEAR_END 0x800000u
TD_INLINE float td_end_of(uint32_t word) { return (float)(int32_t)TD_END(word) * 0x1p-32f; }
TD_INLINE float td_near_end_of(uint32_t word, uint32_t lower) {
  int64_t both = (int64_t)((uint64_t)TD_END(word) << 32 | (lower ^ (0u - (word >> 31))));
  return (float)(both ? both : 1) * 0x1p-64f;
}
TD_INLINE float td_end_drawn(const TdControl *ctl, int64_t site, int64_t number, uint32_t word) {
  if (TD_END(word) >= TD_NEAR_END) return td_end_of(word);
  return td_near_end_of(word, td_draw_half(ctl, (uint32_t)site, number, TD_LOWER));
}
/* log(end), or log(1 - end) as td_log1pf has it */
TD_INLINE float td_log_of_end(float end, uint32_t one) {
  const float u = one ? 1.0f - end : end, lost = one ? (1.0f - u) - end : 0.0f;
  return td_log_core(u) + lost / u;
}
TD_INLINE float td_log_uniformf(const TdControl *ctl, int64_t site, int64_t number) {
  const uint32_t word = td_draw_word(ctl, (uint32_t)site, number);
  return td_log_of_end(td_end_drawn(ctl, site, number, word), word >> 31);
}
TD_INLINE float td_log_restf(const TdControl *ctl, int64_t site, int64_t number) {
  const uint32_t word = td_draw_word(ctl, (uint32_t)site, number);
  return td_log_of_end(td_end_drawn(ctl, site, number, word), word >> 31 ^ 1u);
}
/* An integer below n: of 64 bits times n the uppermost. The lower word can only carry
 * if the upper one's share of the product ends less than n below the next integer. */
#define TD_MAY_CARRY(product, n) ((uint32_t)(product) > 0u - (uint32_t)(n))
TD_INLINE int32_t td_pick(const TdControl *ctl, int64_t site, int64_t number, int64_t n) {
  const uint64_t most = 0x80000000u, m = n < 1 ? 1 : (uint64_t)n < most ? (uint64_t)n : most;
  uint64_t product = td_draw_word(ctl, (uint32_t)site, number) * m;
  if (TD_MAY_CARRY(product, m))
    product += td_draw_half(ctl, (uint32_t)site, number, TD_LOWER) * m >> 32;
  return (int32_t)(product >> 32);
}
/* sqrt(-2 log u) with u in (0, 1] */
TD_INLINE float td_radius_of(uint32_t word) {
  float u = (float)(int32_t)((word >> 8) + 1) * 0x1p-24f;
  return sqrtf(-2.0f * td_log_core(u));
}
/* cos(2 pi v) with v in [0, 1), taken to the nearest quarter turn exactly */
TD_INLINE float td_cosine_of(uint32_t word) {
  uint32_t turn = word >> 8, quadrant = (turn + 0x200000u) >> 22;
  float r = (float)(int32_t)(turn - (quadrant << 22)) * 0x1.921fb6p-22f;
  float c = quadrant & 1 ? td_sin_core(r) : td_cos_core(r);
  return td_float(td_bits(c) ^ ((quadrant + 1) & 2) << 30);
}
TD_INLINE float td_normalf(const TdControl *ctl, int64_t site, int64_t number) {
  uint32_t radius, angle;
  td_draw_words(ctl, (uint32_t)site, number, &radius, &angle);
  return td_radius_of(radius) * td_cosine_of(angle);
}

#endif

/* ---- double functions ----------------------------------------------------------- */
TD_INLINE double td_min(double a, double b) { return a <= b || a != a ? a : b; }
TD_INLINE double td_max(double a, double b) { return a >= b || a != a ? a : b; }
TD_INLINE double td_abs(double x) { return __builtin_fabs(x); }
TD_INLINE double td_sqrt(double x) { return sqrt(x); }
TD_INLINE double td_rsqrt(double x) { return 1.0 / sqrt(x); }
TD_INLINE double td_floor(double x) { return floor(x); }
TD_INLINE double td_round(double x) { return rint(x); }
TD_INLINE double td_exp(double x) { return exp(x); }
TD_INLINE double td_expm1(double x) { return expm1(x); }
TD_INLINE double td_log(double x) { return log(x); }
TD_INLINE double td_log1p(double x) { return log1p(x); }
TD_INLINE double td_tanh(double x) { return tanh(x); }
TD_INLINE double td_sigmoid(double x) { return 1.0 / (1.0 + exp(-x)); }
TD_INLINE double td_erf(double x) { return erf(x); }
TD_INLINE double td_sin(double x) { return sin(x); }
TD_INLINE double td_cos(double x) { return cos(x); }
TD_INLINE double td_atan(double x) { return atan(x); }
TD_INLINE double td_pow(double x, double y) { return pow(x, y); }
TD_INLINE double td_mod(double a, double b) {
  double r = fmod(a, b);
  return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}
TD_INLINE int32_t td_int(double x) {
  double f = floor(x == x ? x : 0.0);
  f = f >= -0x1p31 ? f : -0x1p31;
  return f < 0x1p31 ? (int32_t)f : INT32_MAX;
}

/* ---- integers: for whichever type the arguments' common one is ------------------------- */
#define TD_PICK(f, t) _Generic((t), int32_t: f##32, default: f##64)
#define td_imin(a, b) TD_PICK(td_imin, (a) + (b))(a, b)
#define td_imax(a, b) TD_PICK(td_imax, (a) + (b))(a, b)
#define td_iabs(a) TD_PICK(td_iabs, (a) + 0)(a)
#define td_idiv(a, b) TD_PICK(td_idiv, (a) + (b))(a, b)
#define td_imod(a, b) TD_PICK(td_imod, (a) + (b))(a, b)

/* ---- random draws in double precision ------------------------------------------------ */
TD_INLINE double td_uniform(const TdControl *ctl, int64_t site, int64_t number) {
  return (double)(td_draw_word(ctl, (uint32_t)site, number) >> 8) * 0x1p-24;
}
TD_INLINE double td_log_uniform(const TdControl *ctl, int64_t site, int64_t number) {
  const uint32_t word = td_draw_word(ctl, (uint32_t)site, number);
  const double end = td_end_drawn(ctl, site, number, word);
  return word >> 31 ? log1p(-end) : log(end);
}
TD_INLINE double td_log_rest(const TdControl *ctl, int64_t site, int64_t number) {
  const uint32_t word = td_draw_word(ctl, (uint32_t)site, number);
  const double end = td_end_drawn(ctl, site, number, word);
  return word >> 31 ? log(end) : log1p(-end);
}
TD_INLINE double td_normal(const TdControl *ctl, int64_t site, int64_t number) {
  uint32_t radius, angle;
  td_draw_words(ctl, (uint32_t)site, number, &radius, &angle);
  double u = (double)((radius >> 8) + 1) * 0x1p-24, v = (double)(angle >> 8) * 0x1p-24;
  return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

/* ---- tiles of matrix products --------------------------------------------------------
 * A product C[m][n] = sum over k of A[m][k] * B[n][k] is computed in tiles of up
 * to TD_TILE_ROWS rows by two vectors of columns, held in registers while k
 * runs. Both operands are packed first: A below; B as panels [k][TD_TILE_COLUMNS],
 * the last of one vector if that is enough. */
#if defined __AVX512F__
#define TD_LANES 16
#define TD_TILE_ROWS 14
#elif defined __AVX__
#define TD_LANES 8
#define TD_TILE_ROWS 6
#else
#define TD_LANES 4
#define TD_TILE_ROWS 4
#endif
#define TD_TILE_COLUMNS (2 * TD_LANES)
/* 1: the processor multiplies two vectors of half as many lanes in the time of one, so that columns
 * that fill no more are multiplied by such: Zen 4, which compilers that do not know it call Zen 3 with
 * AVX-512. Others do as many of one kind as of the other. */
#if defined __AVX512F__ && (defined __znver3__ || defined __znver4__)
#define TD_HALVES 1
#else
#define TD_HALVES 0
#endif
/* The last vector of so many columns: 0 is the second of a pair, 1 stands alone, 2 is half of one. */
#define TD_ODD(columns)                                                                   \
  (((columns) + TD_LANES - 1) / TD_LANES % 2 == 0 ? 0                                     \
   : TD_HALVES && (columns) % TD_LANES > 0 && (columns) % TD_LANES <= TD_LANES / 2 ? 2 : 1)
typedef float TdVec __attribute__((vector_size(4 * TD_LANES)));
typedef float TdVecMem __attribute__((vector_size(4 * TD_LANES), aligned(4), may_alias));
TD_INLINE TdVec td_load(const float *p) { return *(const TdVecMem *)p; }
TD_INLINE void td_store(float *p, TdVec v) { *(TdVecMem *)p = v; }
/* sums of a group of blocks of k, to those of the groups before if `add` */
TD_INLINE void td_add_rows(float *to, const float *from, int64_t n, int add) {
#pragma omp simd
  for (int64_t i = 0; i < n; i++) to[i] = (add ? to[i] : 0.0f) + from[i];
}
#define TD_PREFETCH(p, write, locality) __builtin_prefetch(p, write, locality)

#define TD_ROWS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13)
#define TD_ROW_ZERO(r) TdVec c##r = { 0 }, d##r = { 0 };
/* A block of k is summed by itself and then added, so that rounding errors grow with
 * a block's length and the number of blocks, not with all of k. */
#define TD_ROW_ADD(r)                                                                     \
  if (rows > r) {                                                                         \
    c##r += td_load(c + r * c_stride);                                                    \
    if (vectors > 1) d##r += td_load(c + r * c_stride + TD_LANES);                        \
  }
#define TD_ROW_STEP(r)                                                                    \
  if (rows > r) {                                                                         \
    c##r += a[r * a_row] * b0;                                                            \
    if (vectors > 1) d##r += (r & 1 ? again[r * a_row] : a[r * a_row]) * b1;              \
  }
#define TD_ROW_STORE(r)                                                                   \
  if (rows > r) {                                                                         \
    td_store(c + r * c_stride, c##r);                                                     \
    if (vectors > 1) td_store(c + r * c_stride + TD_LANES, d##r);                         \
  }
/* What is needed next, brought towards the processor a few lines at a time while
 * tiles are summed (a turn every TD_LANES steps of k): a block of `outer` rows by
 * `depth`, contiguous one way or the other. */
typedef struct TdFetch {
  const char *at;
  int64_t     stride;            /* bytes from row to row */
  int64_t     rows, lines, line; /* left; of 64 bytes in a row; done of this row */
  int64_t     share;             /* lines a turn */
} TdFetch;
TD_INLINE void td_fetch_begin(TdFetch *f, const float *from, int64_t outer_stride, int64_t k_stride,
                              int64_t outer, int64_t depth) {
  const int64_t along = k_stride == 1 ? depth : outer_stride == 1 ? outer : 0;
  f->at = (const char *)from;
  f->stride = (k_stride == 1 ? outer_stride : k_stride) * 4;
  f->rows = along == 0 ? 0 : k_stride == 1 ? outer : depth;
  f->lines = (along + 15) / 16;
  f->line = 0;
}
/* n blocks one after the other, in so many turns */
TD_INLINE void td_fetch_share(TdFetch *f, int n, int64_t turns) {
  int64_t lines = 0;
  for (int i = 0; i < n; i++) lines += f[i].rows * f[i].lines;
  for (int i = 0; i < n; i++) f[i].share = lines / (turns > 0 ? turns : 1) + 1;
}
/* The turns of a row of tiles that each of `users` may have: a tile has one user. */
TD_INLINE int64_t td_fetch_turns(int64_t vectors, int64_t depth, int64_t users) {
  const int64_t tiles = (vectors + 1) / 2 / users;
  return (tiles > 0 ? tiles : 1) * (depth / TD_LANES);
}
TD_INLINE void td_fetch(TdFetch *f) {
  for (int64_t n = f->rows > 0 ? f->share : 0; n > 0; n--) {
    TD_PREFETCH(f->at + f->line * 64, 0, 2);
    if (++f->line < f->lines) continue;
    f->line = 0;
    f->rows--;
    f->at += f->stride;
  }
}

/* A is packed in blocks of TD_LANES steps of k by the tile's rows: [row][k] if
 * `turned`, else [k][row], padded to TD_LANES rows. Packing thus copies vectors
 * whichever way A lies in memory. `again` is `a` behind the optimiser's back:
 * odd rows then broadcast as an operand of each multiplication instead of into a
 * register first, which balances loads against instructions. */
#define TD_TILE_STEP                                                                      \
  {                                                                                       \
    TdVec b0 = td_load(b), b1 = vectors > 1 ? td_load(b + TD_LANES) : b0;                 \
    TD_ROWS(TD_ROW_STEP)                                                                  \
    a += a_k;                                                                             \
    again += a_k;                                                                         \
    b += vectors * TD_LANES;                                                              \
  }
#if TD_HALVES
typedef float TdHalf __attribute__((vector_size(2 * TD_LANES)));
typedef float TdHalfMem __attribute__((vector_size(2 * TD_LANES), aligned(4), may_alias));
/* Half a vector of columns, of which B has a whole one. */
TD_INLINE void td_half_body(const int rows, const int turned, int64_t depth, const float *a, int64_t a_step,
                            const int64_t *taps, const float *b, float *c, int64_t c_stride, int add) {
  const int a_row = turned ? TD_LANES : 1;
  const int64_t a_k = turned ? 1 : a_step;
  const float *const first = a;
  TdHalf sum[TD_TILE_ROWS] = { { 0 } };
  for (; depth > 0; depth -= TD_LANES) {
    if (taps) a = first + *taps++;
    for (int64_t k = depth < TD_LANES ? depth : TD_LANES; k > 0; k--, a += a_k, b += TD_LANES) {
      const TdHalf b0 = *(const TdHalfMem *)b;
#pragma GCC unroll 14
      for (int r = 0; r < rows; r++) sum[r] += a[r * a_row] * b0;
    }
    a += turned ? (rows - 1) * TD_LANES : 0;
  }
#pragma GCC unroll 14
  for (int r = 0; r < rows; r++) {
    TdHalfMem *const to = (TdHalfMem *)(c + r * c_stride);
    *to = add ? sum[r] + *to : sum[r];
  }
}
#endif
TD_INLINE void td_tile_body(const int rows, const int vectors, const int turned, int64_t depth,
                            const float *a, int64_t a_step, const int64_t *taps, const float *b,
                            float *c, int64_t c_stride, int add, TdFetch *next) {
  const int a_row = turned ? TD_LANES : 1;
  const int64_t a_k = turned ? 1 : a_step;
  TD_ROWS(TD_ROW_ZERO)
  const float *again = a, *const first = a;
  __asm__("" : "+r"(again));
  TdFetch fetch = *next;
  for (; depth > 0; depth -= TD_LANES) {
    td_fetch(&fetch);
    if (taps) {
      a = again = first + *taps++;
      __asm__("" : "+r"(again));
    }
    for (int64_t k = depth < TD_LANES ? depth : TD_LANES; k > 0; k--) TD_TILE_STEP
    a += turned ? (rows - 1) * TD_LANES : 0;
    again += turned ? (rows - 1) * TD_LANES : 0;
  }
  *next = fetch;
  if (add) { TD_ROWS(TD_ROW_ADD) }
  TD_ROWS(TD_ROW_STORE)
}
typedef void TdTile(int64_t depth, const float *a, int64_t a_step, const int64_t *taps, const float *b,
                    float *c, int64_t c_stride, int add, TdFetch *next);
#define TD_TILE(rows, vectors, turned, name)                                              \
  TD_SHARED void name(int64_t depth, const float *a, int64_t a_step, const int64_t *taps, \
                      const float *b, float *c, int64_t c_stride, int add, TdFetch *next) { \
    td_tile_body(rows, vectors, turned, depth, a, a_step, taps, b, c, c_stride, add, next); \
  }
#define TD_TILES(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14)
#define TD_TILE_NAMES(rows)                                                               \
  TD_SHARED TdTile td_tile_##rows##x1, td_tile_##rows##x1_turned;                         \
  TD_SHARED TdTile td_tile_##rows##x2, td_tile_##rows##x2_turned;
TD_TILES(TD_TILE_NAMES)
#if TD_HALVES
#define TD_TILE_HALF_NAMES(rows) TD_SHARED TdTile td_tile_##rows##x0, td_tile_##rows##x0_turned;
TD_TILES(TD_TILE_HALF_NAMES)
#define TD_TILE_HALF_CASE(r)                                                              \
  if (vectors == 0) return turned ? td_tile_##r##x0_turned : td_tile_##r##x0;
#else
#define TD_TILE_HALF_CASE(r)
#endif
#ifndef TD_DECLARES
#define TD_TILE_TWO(rows)                                                                 \
  TD_TILE(rows, 2, 0, td_tile_##rows##x2)                                                 \
  TD_TILE(rows, 2, 1, td_tile_##rows##x2_turned)
TD_TILES(TD_TILE_TWO)
#define TD_TILE_ONE(rows)                                                                 \
  TD_TILE(rows, 1, 0, td_tile_##rows##x1)                                                 \
  TD_TILE(rows, 1, 1, td_tile_##rows##x1_turned)
TD_TILES(TD_TILE_ONE)
#if TD_HALVES
#define TD_HALF(rows, turned, name)                                                       \
  TD_SHARED void name(int64_t depth, const float *a, int64_t a_step, const int64_t *taps, \
                      const float *b, float *c, int64_t c_stride, int add, TdFetch *next) { \
    (void)next;                                                                           \
    td_half_body(rows, turned, depth, a, a_step, taps, b, c, c_stride, add);              \
  }
#define TD_TILE_HALF(rows)                                                                \
  TD_HALF(rows, 0, td_tile_##rows##x0)                                                    \
  TD_HALF(rows, 1, td_tile_##rows##x0_turned)
TD_TILES(TD_TILE_HALF)
#endif
#endif
/* `vectors`: 0 is half of one. */
TD_INLINE TdTile *td_tile(const int rows, const int vectors, const int turned) {
  switch (rows) {
#define TD_TILE_CASE(r)                                                                   \
  case r:                                                                                 \
    TD_TILE_HALF_CASE(r)                                                                  \
    if (vectors > 1) return turned ? td_tile_##r##x2_turned : td_tile_##r##x2;            \
    return turned ? td_tile_##r##x1_turned : td_tile_##r##x1;
    TD_TILES(TD_TILE_CASE)
  default: return NULL;
  }
}

/* One row of tiles: rows x columns of C. */
typedef struct TdTiles {
  int64_t      depth;            /* of this block of k, which begins at k0 in every panel of B */
  int64_t      k0;
  const float *a;                /* the panel of A; k lies a_step apart unless it is turned */
  int64_t      a_step;
  const int64_t *taps;           /* or NULL: where, from a on, each TD_LANES of k begin */
  const float *b;                /* panels, `panel` floats apart */
  int64_t      panel;
  float       *c;
  int64_t      c_stride;
  int64_t      vectors;          /* columns, in vectors */
  int          add;              /* to what is in C; else C is written */
  TdFetch     *fetch;            /* what is brought near meanwhile: the first that is not done */
  int          fetches;
} TdTiles;
/* `two` and `one`: the tiles of two vectors and, for a last odd vector, of one.
 * With `far`, C is likely not in a cache: its lines are asked for while the tile
 * is summed. */
TD_SHARED void td_tile_row(TdTile *two, TdTile *one, int64_t rows, int far, const TdTiles *t);
#ifndef TD_DECLARES
TD_SHARED void td_tile_row(TdTile *two, TdTile *one, int64_t rows, int far, const TdTiles *t) {
  const float *b = t->b;
  float *c = t->c;
  for (int64_t left = t->vectors; left > 0; left -= 2) {
    if (far && !t->add) {
      for (int64_t r = 0; r < rows; r++) {
        TD_PREFETCH(c + r * t->c_stride, 1, 3);
        TD_PREFETCH(c + r * t->c_stride + TD_LANES, 1, 3);
      }
    }
    TdFetch *fetch = t->fetch;
    while (fetch->rows <= 0 && fetch < t->fetch + t->fetches - 1) fetch++;
    (left > 1 ? two : one)(t->depth, t->a, t->a_step, t->taps,
                           b + t->k0 * (left > 1 ? TD_TILE_COLUMNS : TD_LANES), c, t->c_stride,
                           t->add, fetch);
    b += t->panel;
    c += TD_TILE_COLUMNS;
  }
}
#endif
/* Rows are shared out evenly among as few tiles as possible: each has
 * TD_HEIGHT_OF(rows) rows, or one more. */
#define TD_TILES_OF(rows) (((rows) + TD_TILE_ROWS - 1) / TD_TILE_ROWS)
#define TD_HEIGHT_OF(rows) ((rows) / TD_TILES_OF(rows))
/* td_tile_row for a height that comes from sharing out `block` or `last` rows.
 * The first parameters are constants, so that a unit that stands alone compiles
 * only tiles in use: `odd` is that of TD_ODD, 0 if the vectors are always even. */
TD_INLINE void td_tile_row_of(const int block, const int last, const int odd, const int turned,
                              const int far, int64_t rows, const TdTiles *t) {
  TdTile *two = NULL, *one = NULL;
#define TD_TRY_HEIGHT(height, condition)                                                  \
  if ((condition) && rows == (height)) {                                                  \
    two = td_tile(height, 2, turned);                                                     \
    one = odd ? td_tile(height, 2 - odd, turned) : two;                             \
  }
  TD_TRY_HEIGHT(TD_HEIGHT_OF(block), 1)
  TD_TRY_HEIGHT(TD_HEIGHT_OF(block) + 1, block % TD_TILES_OF(block) != 0)
  TD_TRY_HEIGHT(TD_HEIGHT_OF(last), last != block)
  TD_TRY_HEIGHT(TD_HEIGHT_OF(last) + 1, last != block && last % TD_TILES_OF(last) != 0)
  td_tile_row(two, one, rows, far, t);
}

/* What a thread's scratch holds of packed B, from one call of a launch to the
 * next: pieces that share it may come in several calls. */
typedef struct TdHeld { uint64_t launch; int64_t block; } TdHeld;
TD_INLINE TdHeld *td_held(const TdCall *call) {
  TdHeld *held = (TdHeld *)call->scratch;
  if (call->launch == 0 || held->launch != call->launch) held->block = -1;
  held->launch = call->launch;
  return held;
}

/* The ends of `n` windows, from and to of each, in order, without those that are empty or go on
 * where another one ends: how many are left. Of none, one that is empty. */
TD_INLINE int td_windows(int64_t *ends, int n) {
  int count = 0, last = 0;
  for (int i = 0; i < n; i++) {
    const int64_t from = ends[2 * i], to = ends[2 * i + 1];
    if (from >= to) continue;
    int at = count++;
    for (; at > 0 && ends[2 * at - 2] > from; at--) {
      ends[2 * at] = ends[2 * at - 2];
      ends[2 * at + 1] = ends[2 * at - 1];
    }
    ends[2 * at] = from;
    ends[2 * at + 1] = to;
  }
  if (!count) ends[0] = ends[1] = 0;
  for (int i = 1; i < count; i++) {
    const int64_t from = ends[2 * i], to = ends[2 * i + 1];
    if (from > ends[2 * last + 1]) {
      last++;
      ends[2 * last] = from;
      ends[2 * last + 1] = to;
    } else if (to > ends[2 * last + 1]) {
      ends[2 * last + 1] = to;
    }
  }
  return last + 1;
}

/* v[i][j] = v[j][i]: first 4 x 4 within groups of four lanes, then the groups */
#if defined __clang__ || __GNUC__ >= 12
#define TD_SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
typedef int32_t TdIndex __attribute__((vector_size(4 * TD_LANES)));
#define TD_SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (TdIndex){ __VA_ARGS__ })
#endif
#if TD_LANES == 16
#define TD_LOW(a, b)                                                                      \
  TD_SHUFFLE(a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29)
#define TD_HIGH(a, b)                                                                     \
  TD_SHUFFLE(a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31)
#define TD_LOW_PAIR(a, b)                                                                 \
  TD_SHUFFLE(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29)
#define TD_HIGH_PAIR(a, b)                                                                \
  TD_SHUFFLE(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31)
#define TD_LOW_FOURS(a, b)                                                                \
  TD_SHUFFLE(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27)
#define TD_HIGH_FOURS(a, b)                                                               \
  TD_SHUFFLE(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31)
#elif TD_LANES == 8
#define TD_LOW(a, b) TD_SHUFFLE(a, b, 0, 8, 1, 9, 4, 12, 5, 13)
#define TD_HIGH(a, b) TD_SHUFFLE(a, b, 2, 10, 3, 11, 6, 14, 7, 15)
#define TD_LOW_PAIR(a, b) TD_SHUFFLE(a, b, 0, 1, 8, 9, 4, 5, 12, 13)
#define TD_HIGH_PAIR(a, b) TD_SHUFFLE(a, b, 2, 3, 10, 11, 6, 7, 14, 15)
#define TD_LOW_FOURS(a, b) TD_SHUFFLE(a, b, 0, 1, 2, 3, 8, 9, 10, 11)
#define TD_HIGH_FOURS(a, b) TD_SHUFFLE(a, b, 4, 5, 6, 7, 12, 13, 14, 15)
#else
#define TD_LOW(a, b) TD_SHUFFLE(a, b, 0, 4, 1, 5)
#define TD_HIGH(a, b) TD_SHUFFLE(a, b, 2, 6, 3, 7)
#define TD_LOW_PAIR(a, b) TD_SHUFFLE(a, b, 0, 1, 4, 5)
#define TD_HIGH_PAIR(a, b) TD_SHUFFLE(a, b, 2, 3, 6, 7)
#endif
TD_INLINE void td_transpose(TdVec *v) {
#pragma GCC unroll 4
  for (int i = 0; i < TD_LANES; i += 4) {
    TdVec p = TD_LOW(v[i], v[i + 1]), q = TD_HIGH(v[i], v[i + 1]);
    TdVec r = TD_LOW(v[i + 2], v[i + 3]), s = TD_HIGH(v[i + 2], v[i + 3]);
    v[i] = TD_LOW_PAIR(p, r);
    v[i + 1] = TD_HIGH_PAIR(p, r);
    v[i + 2] = TD_LOW_PAIR(q, s);
    v[i + 3] = TD_HIGH_PAIR(q, s);
  }
  /* now group g of v[4 i + j] holds column 4 g + j of rows 4 i .. 4 i + 3 */
#if TD_LANES == 16
#pragma GCC unroll 4
  for (int j = 0; j < 4; j++) {
    TdVec p = TD_LOW_FOURS(v[j], v[4 + j]), q = TD_HIGH_FOURS(v[j], v[4 + j]);
    TdVec r = TD_LOW_FOURS(v[8 + j], v[12 + j]), s = TD_HIGH_FOURS(v[8 + j], v[12 + j]);
    v[j] = TD_LOW_FOURS(p, r);
    v[4 + j] = TD_LOW_FOURS(q, s);
    v[8 + j] = TD_HIGH_FOURS(p, r);
    v[12 + j] = TD_HIGH_FOURS(q, s);
  }
#elif TD_LANES == 8
#pragma GCC unroll 4
  for (int j = 0; j < 4; j++) {
    TdVec p = v[j], q = v[4 + j];
    v[j] = TD_LOW_FOURS(p, q);
    v[4 + j] = TD_HIGH_FOURS(p, q);
  }
#endif
}
/* So many iterations of a vector loop are done together where it sums, each into a partial sum of
 * its own, or stores in bf16. The partial sums are put together by halves: the same on any machine. */
enum { TD_RUN = 32 };
#if TD_LANES == 16
#define TD_FROM(n, v)                                                                     \
  TD_SHUFFLE(v, v, n, n + 1, n + 2, n + 3, n + 4, n + 5, n + 6, n + 7, (n + 8) % 16,      \
             (n + 9) % 16, (n + 10) % 16, (n + 11) % 16, (n + 12) % 16, (n + 13) % 16,    \
             (n + 14) % 16, (n + 15) % 16)
#elif TD_LANES == 8
#define TD_FROM(n, v)                                                                     \
  TD_SHUFFLE(v, v, n, n + 1, n + 2, n + 3, (n + 4) % 8, (n + 5) % 8, (n + 6) % 8, (n + 7) % 8)
#else
#define TD_FROM(n, v) TD_SHUFFLE(v, v, n, n + 1, (n + 2) % 4, (n + 3) % 4)
#endif
TD_INLINE float td_sum_of(const float *sums) {
  TdVec v[TD_RUN / TD_LANES];
#pragma GCC unroll 8
  for (int i = 0; i < TD_RUN / TD_LANES; i++) v[i] = td_load(sums + i * TD_LANES);
#pragma GCC unroll 4
  for (int n = TD_RUN / TD_LANES / 2; n > 0; n /= 2) {
#pragma GCC unroll 4
    for (int i = 0; i < n; i++) v[i] += v[i + n];
  }
  TdVec sum = v[0];
#if TD_LANES == 16
  sum += TD_FROM(8, sum);
#endif
#if TD_LANES >= 8
  sum += TD_FROM(4, sum);
#endif
  sum += TD_FROM(2, sum);
  sum += TD_FROM(1, sum);
  return sum[0];
}

/* Pack rows x depth of A, tile by tile, td_panel_a apart: turned if k is
 * contiguous, else by rows, of which `spare` may be read from the first on if
 * they are contiguous. */
TD_INLINE int64_t td_panel_a(int64_t tile, int64_t depth) {
  return tile * ((depth + TD_LANES - 1) / TD_LANES) * (TD_LANES * TD_LANES);
}
TD_SHARED void td_pack_a_turned(float *to, const float *from, int64_t row_stride, int64_t rows,
                                int64_t depth);
TD_SHARED void td_pack_a_rows(float *to, const float *from, int64_t row_stride, int64_t k_stride,
                              int64_t rows, int64_t depth, int64_t spare);
#ifndef TD_DECLARES
TD_SHARED void td_pack_a_turned(float *to, const float *from, int64_t row_stride, int64_t rows,
                                int64_t depth) {
  const int64_t tiles = TD_TILES_OF(rows), height = rows / tiles, taller = rows % tiles;
  const int64_t whole = depth / TD_LANES;
  for (int64_t tile = 0; tile < tiles; tile++) {
    const int64_t h = height + (tile < taller);
    float *panel = to + td_panel_a(tile, depth);
    for (int64_t r = 0; r < h; r++, from += row_stride) {
      float *place = panel + r * TD_LANES;
      for (int64_t i = 0; i < whole; i++) {
        td_store(place, td_load(from + i * TD_LANES));
        place += h * TD_LANES;
      }
      for (int64_t k = whole * TD_LANES; k < depth; k++) *place++ = from[k];
    }
  }
}
TD_SHARED void td_pack_a_rows(float *to, const float *from, int64_t row_stride, int64_t k_stride,
                              int64_t rows, int64_t depth, int64_t spare) {
  const int64_t tiles = TD_TILES_OF(rows), height = rows / tiles, taller = rows % tiles;
  for (int64_t k = 0; k < depth; k += 8) {                   /* a few steps of k stay near */
    const int64_t steps = depth - k < 8 ? depth - k : 8;
    for (int64_t tile = 0, i = 0; tile < tiles; tile++) {
      const int64_t h = height + (tile < taller);
      const float *row = from + k * k_stride + i * row_stride;
      float *place = to + td_panel_a(tile, depth) + k * TD_LANES;
      if (row_stride == 1 && i + TD_LANES <= spare) {
        for (int64_t s = 0; s < steps; s++)
          td_store(place + s * TD_LANES, td_load(row + s * k_stride));
      } else {
        for (int64_t s = 0; s < steps; s++)
          for (int64_t r = 0; r < h; r++)
            place[s * TD_LANES + r] = row[r * row_stride + s * k_stride];
      }
      i += h;
    }
  }
}
#endif

/* Is each of rows x columns numbers finite? */
TD_INLINE int td_finite(const float *from, int64_t rows, int64_t row_stride, int64_t columns,
                        int64_t stride) {
  const uint32_t infinite = 0x7f800000u;
  uint32_t any = 0;
  for (int64_t r = 0; r < rows; r++) {
    const float *row = from + r * row_stride;
    for (int64_t c = 0; c < columns; c++) {
      uint32_t bits;
      __builtin_memcpy(&bits, row + c * stride, sizeof bits);
      any |= (bits & infinite) == infinite;
    }
  }
  return !any;
}
/* Is one of so many numbers NaN? */
TD_INLINE int td_any_nan(const float *from, int64_t count) {
  int any = 0;
  for (int64_t i = 0; i < count; i++) any |= from[i] != from[i];
  return any;
}
/* `count` numbers, or zeros. */
TD_INLINE void td_bring(float *to, const float *from, int64_t count) {
  int64_t i = 0;
  for (; i + TD_LANES <= count; i += TD_LANES) td_store(to + i, from ? td_load(from + i) : (TdVec){ 0 });
  if (i > 0 && i < count) {                                  /* the last ones once more */
    i = count - TD_LANES;
    td_store(to + i, from ? td_load(from + i) : (TdVec){ 0 });
    return;
  }
  for (; i < count; i++) {
    to[i] = from ? from[i] : 0.0f;
    __asm__("");                                             /* too few for vectors */
  }
}
/* The same into row r of a panel of A that is turned, at step k; k and count are of whole vectors. */
TD_INLINE void td_pack_a_run(float *panel, int64_t height, int64_t r, int64_t k, const float *from,
                             int64_t count) {
  float *place = panel + k * height + r * TD_LANES;
  for (int64_t i = 0; i < count; i += TD_LANES, place += height * TD_LANES)
    td_store(place, from ? td_load(from + i) : (TdVec){ 0 });
}

/* Pack columns x depth of B as panels [k][columns of the panel], `panel` floats
 * apart, from k0 on; missing columns are zero. By rows if columns are
 * contiguous, else turned. */
TD_SHARED void td_pack_b_rows(float *to, int64_t panel, int64_t k0, const float *from,
                              int64_t k_stride, int64_t columns, int64_t depth);
TD_SHARED void td_pack_b_turned(float *to, int64_t panel, int64_t k0, const float *from,
                                int64_t column_stride, int64_t k_stride, int64_t columns,
                                int64_t depth);
#ifndef TD_DECLARES
TD_SHARED void td_pack_b_rows(float *to, int64_t panel, int64_t k0, const float *from,
                              int64_t k_stride, int64_t columns, int64_t depth) {
  const int64_t whole = columns / TD_TILE_COLUMNS, rest = columns % TD_TILE_COLUMNS;
  const int64_t width = rest > TD_LANES ? TD_TILE_COLUMNS : TD_LANES;       /* of the last panel */
  for (int64_t k = 0; k < depth; k++) {
    const float *row = from + k * k_stride;
    float *place = to + (k0 + k) * TD_TILE_COLUMNS;
    for (int64_t p = 0; p < whole; p++) {
      td_store(place, td_load(row));
      td_store(place + TD_LANES, td_load(row + TD_LANES));
      row += TD_TILE_COLUMNS;
      place += panel;
    }
    place = to + whole * panel + (k0 + k) * width;
    for (int64_t j = 0; rest && j < width; j++) place[j] = j < rest ? row[j] : 0.0f;
  }
}
TD_SHARED void td_pack_b_turned(float *to, int64_t panel, int64_t k0, const float *from,
                                int64_t column_stride, int64_t k_stride, int64_t columns,
                                int64_t depth) {
  const int64_t whole = columns / TD_TILE_COLUMNS, rest = columns % TD_TILE_COLUMNS;
  const int64_t width = rest > TD_LANES ? TD_TILE_COLUMNS : TD_LANES;
  for (int64_t j = 0; j < columns; j += TD_LANES) {
    const int64_t count = columns - j < TD_LANES ? columns - j : TD_LANES;
    const int64_t step = j < whole * TD_TILE_COLUMNS ? TD_TILE_COLUMNS : width;
    const float *column = from + j * column_stride;
    float *place = to + j / TD_TILE_COLUMNS * panel + j % TD_TILE_COLUMNS + k0 * step;
    int64_t k = 0;
    for (; k_stride == 1 && count == TD_LANES && k + TD_LANES <= depth; k += TD_LANES) {
      TdVec v[TD_LANES];
#pragma GCC unroll 16
      for (int i = 0; i < TD_LANES; i++) v[i] = td_load(column + i * column_stride + k);
      td_transpose(v);
#pragma GCC unroll 16
      for (int i = 0; i < TD_LANES; i++) td_store(place + (k + i) * step, v[i]);
    }
    for (; k < depth; k++)
      for (int64_t i = 0; i < TD_LANES; i++)
        place[k * step + i] = i < count ? column[i * column_stride + k * k_stride] : 0.0f;
  }
}
#endif

#endif
/* The prelude's functions of gelu: exp(-x^2), and 1 + erf(x). gelu is x times the one, its
 * derivative has both. */
#ifndef TD_PRELUDE_ERF
#define TD_PRELUDE_ERF

#ifndef TD_PRELUDE
#include "compiler/cpu/prelude.h"
#endif

/* within 2 units of the last place of exp(-(x * x)), x * x rounded; from x^2 = 87.7 on 0 */
TD_INLINE float td_gaussf(float x) {
  float a = fabsf(x), y = a > 9.3808315f ? 9.3808315f : a, s = y * y;
  float t = 12583039.0f - s * 0x1.715476p+0f;                /* TD_ROUNDER + 127 */
  float n = t - 12583039.0f, r = s + n * 0x1.62e4p-1f + n * 0x1.7f7d1cp-20f;
  float q = 0x1.6a241ap-10f;                                /* exp(-r) */
  q = q * r - 0x1.1239f2p-7f;
  q = q * r + 0x1.5558f2p-5f;
  q = q * r - 0x1.555492p-3f;
  q = q * r + 0x1.fffffcp-2f;
  q = q * r - 1.0f;
  return (q * r + 1.0f) * td_float(td_bits(t) << 23);       /* 2^n, at n = -127 0 */
}

/* 1 + erf(x), as accurate as td_erf1pf, of exp(-x^2), so that a loop that makes gelu and its derivative
 * has one exp: exp(x^2) (1 - erf(y)), here of the other sign, is a polynomial of y / (1 + c y), y = |x|.
 * The division is done beside the rest; a GPU would wait for it. */
TD_INLINE float td_erf1p_gaussf(float x) {
  float a = fabsf(x), y = a > 9.3808315f ? 9.3808315f : a, u = y / (1.0f + 0.375f * y);
  float q = 0x1.abefeap-11f;
  q = q * u - 0x1.a27186p-9f;
  q = q * u - 0x1.068202p-6f;
  q = q * u + 0x1.49933p-3f;
  q = q * u - 0x1.275a14p-1f;
  q = q * u + 0x1.20dd78p+0f;
  q = q * u - 1.0f;
  float g = td_float(td_bits(td_gaussf(x)) ^ (td_bits(x) & 0x80000000u));
  return g * q + (td_bits(x) >> 31 ? 0.0f : 2.0f);
}

/* The same by itself. With AVX-512 two vectors are a table of 32 numbers, which one instruction reads
 * 16 times, so that 1 - erf(y) is a polynomial of degree 4 in each of 32 intervals: gelu takes 20 cycles
 * for 16 numbers on Zen 4 where the other way takes 28. No compiler makes such reads of a loop over
 * single numbers, so it is told that the function exists in vectors, which it calls by the names that
 * their ABI gives them. */
#if defined __AVX512F__ && defined __x86_64__ && defined __GNUC__ && !defined __clang__
typedef float TdErf __attribute__((vector_size(64)));
typedef float TdErf8 __attribute__((vector_size(32)));
typedef float TdErf4 __attribute__((vector_size(16)));
/* [power of d][interval]: 1 - erf(y) where 7.25 y is n + d, |d| <= 1/2; beyond the last one 0 */
static const float td_erf_table[5][32] __attribute__((aligned(64))) = {
  { 0x1p+0f, 0x1.b0d0c8p-1f, 0x1.64940cp-1f, 0x1.1de91p-1f, 0x1.bdafa6p-2f, 0x1.514eaep-2f, 0x1.ef4d48p-3f, 0x1.607c7ap-3f,
    0x1.e5f21p-4f, 0x1.443e4p-4f, 0x1.a29c6p-5f, 0x1.054c22p-5f, 0x1.3b4bdap-6f, 0x1.6f981p-7f, 0x1.9df13p-8f, 0x1.c21898p-9f,
    0x1.d87236p-10f, 0x1.de9bdap-11f, 0x1.d3d812p-12f, 0x1.b932bep-13f, 0x1.9155d4p-14f, 0x1.6017dep-15f, 0x1.29dec8p-16f, 0x1.e5f3c6p-18f,
    0x1.7e2a06p-19f, 0x1.21b92ep-20f, 0x1.a76f08p-22f, 0x1.2a3c76p-23f, 0x1.94e38ep-25f, 0x1.08dd1cp-26f, 0x1.4ded9cp-28f, 0 },
  { -0x1.3ebf64p-3f, -0x1.38bd98p-3f, -0x1.27640ep-3f, -0x1.0c9644p-3f, -0x1.d631eap-4f, -0x1.8c339ap-4f, -0x1.41634ep-4f, -0x1.f5ef7ep-5f,
    -0x1.795248p-5f, -0x1.110e0ep-5f, -0x1.7c724cp-6f, -0x1.fe48c4p-7f, -0x1.497084p-7f, -0x1.997da4p-8f, -0x1.e9fd8p-9f, -0x1.1a364ap-9f,
    -0x1.38f204p-10f, -0x1.4e11aap-11f, -0x1.574dc2p-12f, -0x1.539f2cp-13f, -0x1.436f5ep-14f, -0x1.2884f6p-15f, -0x1.05b1a2p-16f, -0x1.bcabaep-18f,
    -0x1.6bafd8p-19f, -0x1.1e5892p-20f, -0x1.b211a8p-22f, -0x1.3cb762p-23f, -0x1.bceca8p-25f, -0x1.2cd8e6p-26f, -0x1.87a914p-28f, 0 },
  { -0x1.032472p-21f, 0x1.7ccb96p-9f, 0x1.67ab06p-8f, 0x1.ea8bd6p-8f, 0x1.1e40ecp-7f, 0x1.2d81fep-7f, 0x1.257d5p-7f, 0x1.0b610cp-7f,
    0x1.cb6c4cp-8f, 0x1.760726p-8f, 0x1.2184ap-8f, 0x1.ab2852p-9f, 0x1.2cd82p-9f, 0x1.951c9cp-10f, 0x1.05057ep-10f, 0x1.422722p-11f,
    0x1.7d0e7p-12f, 0x1.b03544p-13f, 0x1.d64ab2p-14f, 0x1.eb1b4cp-15f, 0x1.ec5468p-16f, 0x1.d9f15ap-17f, 0x1.b636e8p-18f, 0x1.853f7ap-19f,
    0x1.4c3776p-20f, 0x1.107b9ep-21f, 0x1.ad9adap-23f, 0x1.458a2ep-24f, 0x1.da4c22p-26f, 0x1.4c3194p-27f, 0x1.bf6db2p-29f, 0 },
  { 0x1.037f5cp-10f, 0x1.e791ap-11f, 0x1.95f7bp-11f, 0x1.1e71aap-11f, 0x1.2abf1ep-12f, 0x1.0059dep-15f, -0x1.7fd3cap-13f, -0x1.5f122cp-12f,
    -0x1.b68be6p-12f, -0x1.ccb14ep-12f, -0x1.b0a13cp-12f, -0x1.750016p-12f, -0x1.2b74fcp-12f, -0x1.c38c16p-13f, -0x1.4178f6p-13f, -0x1.b1e02cp-14f,
    -0x1.164a1ep-14f, -0x1.5401b8p-15f, -0x1.8c451p-16f, -0x1.b91bdap-17f, -0x1.d571cp-18f, -0x1.de08cap-19f, -0x1.d2152ap-20f, -0x1.b35a2ap-21f,
    -0x1.85c338p-22f, -0x1.4e982ep-23f, -0x1.138496p-24f, -0x1.b35e3cp-26f, -0x1.4a235ep-27f, -0x1.e0a6a2p-29f, -0x1.4ff63p-30f, 0 },
  { -0x1.cd4fd6p-18f, -0x1.ca7366p-16f, -0x1.9f6a7ep-15f, -0x1.081d94p-14f, -0x1.1529cep-14f, -0x1.f3e802p-15f, -0x1.82e0cap-15f, -0x1.ea5e6ap-16f,
    -0x1.a18c6cp-17f, 0x1.9f845ap-20f, 0x1.7afbdep-17f, 0x1.15cd74p-16f, 0x1.2e122cp-16f, 0x1.19258cp-16f, 0x1.d677bep-17f, 0x1.69f554p-17f,
    0x1.035038p-17f, 0x1.5cb1c2p-18f, 0x1.ba5482p-19f, 0x1.09a37p-19f, 0x1.2ee7f4p-20f, 0x1.48978ap-21f, 0x1.53a68p-22f, 0x1.4ef4bep-23f,
    0x1.3b7b6ap-24f, 0x1.1c07dp-25f, 0x1.e93736p-27f, 0x1.934272p-28f, 0x1.3e53bep-29f, 0x1.e17ed4p-31f, 0x1.5d0506p-32f, 0 },
};
TD_INLINE TdErf td_erf_coefficient(TdErf at, const int power) {
  TdErf v;
  __asm__("vmovaps %2, %0\n\tvpermt2ps %3, %1, %0"
          : "=&v"(v)
          : "v"(at), "m"(*(const TdErf *)td_erf_table[power]), "m"(*(const TdErf *)(td_erf_table[power] + 16)));
  return v;
}
__attribute__((used)) static TD_APART TdErf td_erf1p_vector(TdErf x) __asm__("_ZGVeN16v_td_erf1p_by_table");
__attribute__((used)) static TD_APART TdErf td_erf1p_vector(TdErf x) {
  typedef uint32_t Bits __attribute__((vector_size(64)));
  const Bits sign = (Bits)x >> 31;
  TdErf y = (TdErf)((Bits)x & 0x7fffffffu), most = (TdErf){ 0 } + 4.275862f, h;   /* 31 / 7.25; a NaN stays one */
  __asm__("vminps %1, %2, %0" : "=v"(y) : "v"(y), "v"(most));
  const TdErf t = y * 7.25f + TD_ROUNDER, d = y * 7.25f - (t - TD_ROUNDER);
  h = td_erf_coefficient(t, 4);
  h = h * d + td_erf_coefficient(t, 3);
  h = h * d + td_erf_coefficient(t, 2);
  h = h * d + td_erf_coefficient(t, 1);
  h = h * d + td_erf_coefficient(t, 0);
  const Bits below = 0u - sign;
  return (TdErf)(((Bits)h & below) | ((Bits)(2.0f - h) & ~below));
}
__attribute__((used)) static TD_APART TdErf8 td_erf1p_vector_8(TdErf8 x) __asm__("_ZGVdN8v_td_erf1p_by_table");
__attribute__((used)) static TD_APART TdErf8 td_erf1p_vector_8(TdErf8 x) {
  TdErf wide = { 0 };
  __builtin_memcpy(&wide, &x, sizeof x);
  wide = td_erf1p_vector(wide);
  __builtin_memcpy(&x, &wide, sizeof x);
  return x;
}
__attribute__((used)) static TD_APART TdErf4 td_erf1p_vector_4(TdErf4 x) __asm__("_ZGVbN4v_td_erf1p_by_table");
__attribute__((used)) static TD_APART TdErf4 td_erf1p_vector_4(TdErf4 x) {
  TdErf wide = { 0 };
  __builtin_memcpy(&wide, &x, sizeof x);
  wide = td_erf1p_vector(wide);
  __builtin_memcpy(&x, &wide, sizeof x);
  return x;
}
__attribute__((used)) static TD_APART float td_erf1p_single(float x) __asm__("td_erf1p_by_table");
__attribute__((used)) static TD_APART float td_erf1p_single(float x) { return td_erf1p_vector((TdErf){ x })[0]; }
__attribute__((simd("notinbranch"), const, nothrow, leaf)) float td_erf1p_by_table(float x);
TD_INLINE float td_erf1p_tablef(float x) {
  (void)td_erf1p_vector, (void)td_erf1p_vector_8, (void)td_erf1p_vector_4, (void)td_erf1p_single;
  return td_erf1p_by_table(x);
}
#else
TD_INLINE float td_erf1p_tablef(float x) { return td_erf1p_gaussf(x); }
#endif

#endif
/* The rest of the prelude's first part: products of few rows, as a sampler has them where it makes
 * one symbol a turn. They take as long as B takes from memory, so that B is read where it lies, once
 * for all rows. */
#ifndef TD_PRELUDE_FEW
#define TD_PRELUDE_FEW

#ifndef TD_PRELUDE
#include "compiler/cpu/prelude.h"
#endif

/* ---- products of few rows -------------------------------------------------------------
 * C[m][n] = sum over k of A[m][k] * B[k][n]: a strip of columns has its sums in registers while k
 * runs. Sums of TD_FEW_DEPTH terms are added up in double precision, as those of rows are. */
enum { TD_FEW_ROWS = 8, TD_FEW_DEPTH = 128, TD_FEW_VECTORS = 4, TD_FEW_LEAST = 2 };
/* Rows of which TD_FEW_VECTORS vectors have room in the registers, else TD_FEW_LEAST. */
#if TD_LANES == 16
#define TD_FEW_WIDE 6
#else
#define TD_FEW_WIDE 2
#endif
typedef uint32_t TdFewPairs __attribute__((vector_size(4 * TD_LANES)));
typedef uint32_t TdFewPairsMem __attribute__((vector_size(4 * TD_LANES), aligned(2), may_alias));
typedef struct TdFewRows {
  int64_t      depth;
  const float *a;                /* element (m, k) at m a_row + k a_k */
  int64_t      a_row, a_k;
  const void  *b;                /* rows of columns, b_k numbers apart: floats, or bf16 */
  int64_t      b_k;
  int64_t      columns;          /* where there are fewer than two vectors, those before are read too */
  float       *c;                /* and written */
  int64_t      c_stride;
} TdFewRows;
/* Numbers in bf16 side by side: a word has two. Vectors are of those in its lower half, and of those
 * in its upper one. */
TD_INLINE void td_few_load(TdVec *x, const int vectors, const int half, const void *b, int64_t at) {
  if (half) {
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v += 2) {
      const TdFewPairs words = *(const TdFewPairsMem *)((const uint16_t *)b + at + v * TD_LANES);
      x[v] = (TdVec)(words << 16);
      x[v + 1] = (TdVec)(words & 0xffff0000u);
    }
  } else {
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) x[v] = td_load((const float *)b + at + v * TD_LANES);
  }
}
/* Sums in the order of columns. */
TD_INLINE void td_few_store(float *to, const int vectors, const int half, const float *sums) {
  for (int i = 0; i < vectors * TD_LANES && !half; i++) to[i] = sums[i];
  for (int v = 0; v < vectors && half; v += 2) {
    for (int i = 0; i < TD_LANES; i++) {
      to[v * TD_LANES + 2 * i] = sums[v * TD_LANES + i];
      to[v * TD_LANES + 2 * i + 1] = sums[(v + 1) * TD_LANES + i];
    }
  }
}
/* So many vectors of columns from j on. */
TD_INLINE void td_few_strip(const int rows, const int vectors, const int half, const TdFewRows *t, int64_t j) {
  enum { WIDTH = TD_FEW_VECTORS * TD_LANES };
  double total[TD_FEW_ROWS * WIDTH] __attribute__((aligned(64)));
  float part[TD_FEW_ROWS * WIDTH] __attribute__((aligned(64)));
  const int64_t a_k = t->a_k, b_k = t->b_k;
  const float *a[TD_FEW_ROWS];
#pragma GCC unroll 8
  for (int m = 0; m < rows; m++) a[m] = t->a + m * t->a_row;
  for (int m = 0; m < rows; m++) {
    for (int i = 0; i < vectors * TD_LANES; i++) total[m * WIDTH + i] = 0.0;
  }
  int64_t first = 0;
  do {
    const int64_t end = first + TD_FEW_DEPTH < t->depth ? first + TD_FEW_DEPTH : t->depth;
    TdVec sum[TD_FEW_ROWS][TD_FEW_VECTORS];
#pragma GCC unroll 8
    for (int m = 0; m < rows; m++) {
#pragma GCC unroll 4
      for (int v = 0; v < vectors; v++) sum[m][v] = (TdVec){ 0 };
    }
#pragma GCC unroll 2
    for (int64_t k = first; k < end; k++) {
      TdVec x[TD_FEW_VECTORS];
      td_few_load(x, vectors, half, t->b, k * b_k + j);
#pragma GCC unroll 8
      for (int m = 0; m < rows; m++) {
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) sum[m][v] += a[m][k * a_k] * x[v];
      }
    }
#pragma GCC unroll 8
    for (int m = 0; m < rows; m++) {
#pragma GCC unroll 4
      for (int v = 0; v < vectors; v++) td_store(part + m * WIDTH + v * TD_LANES, sum[m][v]);
    }
    if (t->depth <= TD_FEW_DEPTH) break;
    for (int m = 0; m < rows; m++) {
      double *const sums = total + m * WIDTH;
      const float *const more = part + m * WIDTH;
      for (int i = 0; i < vectors * TD_LANES; i++) sums[i] += more[i];
    }
    first = end;
  } while (first < t->depth);
  for (int m = 0; m < rows; m++) {
    float *const sums = part + m * WIDTH;
    for (int i = 0; i < vectors * TD_LANES && t->depth > TD_FEW_DEPTH; i++)
      sums[i] = (float)total[m * WIDTH + i];
    td_few_store(t->c + m * t->c_stride + j, vectors, half, sums);
  }
}
TD_INLINE void td_few_body(const int rows, const int half, const TdFewRows *t) {
  enum { WIDE = TD_FEW_VECTORS * TD_LANES, LEAST = TD_FEW_LEAST * TD_LANES };
  int64_t j = 0;
  if (rows <= TD_FEW_WIDE)
    for (; j + WIDE <= t->columns; j += WIDE) td_few_strip(rows, TD_FEW_VECTORS, half, t, j);
  for (; j < t->columns; j += LEAST)                         /* the last ones with some before them */
    td_few_strip(rows, TD_FEW_LEAST, half, t, j + LEAST <= t->columns ? j : t->columns - LEAST);
}
#define TD_FEW(X) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8)
#define TD_FEW_NAMES(rows)                                                                \
  TD_SHARED void td_few_##rows(const TdFewRows *t);                                           \
  TD_SHARED void td_few_##rows##_half(const TdFewRows *t);
TD_FEW(TD_FEW_NAMES)
#ifndef TD_DECLARES
#define TD_FEW_OF(rows)                                                                   \
  TD_SHARED void td_few_##rows(const TdFewRows *t) { td_few_body(rows, 0, t); }               \
  TD_SHARED void td_few_##rows##_half(const TdFewRows *t) { td_few_body(rows, 1, t); }
TD_FEW(TD_FEW_OF)
#endif

#endif

/* The prelude's second part: runs of random draws, for loops in which the draw's
 * number goes up by one. Philox needs 64-bit products of 32-bit words, which
 * compilers do not find in scalar loops; here a vector holds the words of every
 * second lane, 64 bits apart, and what stands in the upper halves is never
 * looked at. The values are those of td_uniformf, td_normalf and the others. */
#ifndef TD_PRELUDE_DRAWS
#define TD_PRELUDE_DRAWS

#ifndef TD_PRELUDE
#include "compiler/cpu/prelude.h"
#endif

typedef uint64_t TdWords __attribute__((vector_size(4 * TD_LANES)));
typedef uint64_t TdWordsMem __attribute__((vector_size(4 * TD_LANES), aligned(4), may_alias));

/* products of the low halves */
TD_INLINE TdWords td_multiply_words(TdWords a, TdWords b) {
#if defined __x86_64__ && TD_LANES == 16
  TdWords p;
  __asm__("vpmuludq %2, %1, %0" : "=v"(p) : "v"(a), "v"(b));
  return p;
#elif defined __x86_64__ && defined __AVX2__
  TdWords p;
  __asm__("vpmuludq %2, %1, %0" : "=x"(p) : "x"(a), "x"(b));
  return p;
#else
  return (a & 0xffffffffu) * b;
#endif
}

enum { TD_DRAWN = 64 };          /* at once: of 16 blocks side by side */

/* What is the same in all blocks of a run: the keys of its rounds, in the lower halves. */
typedef struct TdKeys { uint64_t even[10], odd[10]; } TdKeys;
TD_INLINE void td_keys_of(TdKeys *keys, const TdControl *ctl, uint32_t site) {
  uint32_t k0 = (uint32_t)ctl->seed ^ site, k1 = (uint32_t)(ctl->seed >> 32);
  for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
    keys->even[round] = k0;
    keys->odd[round] = k1;
  }
}

/* The words of TD_LANES / 2 blocks, from block `first` in steps of two. */
#define TD_PHILOX_OPEN(x, first)                                                          \
  TdWords x##0 = lane + (first), x##1 = x##0 >> 32, x##2 = none + step_low, x##3 = none + step_high
#define TD_PHILOX_TURN(x)                                                                 \
  do {                                                                                    \
    TdWords p = td_multiply_words(x##0, m0), q = td_multiply_words(x##2, m1);             \
    x##0 = (q >> 32) ^ x##1 ^ k0;                                                         \
    x##2 = (p >> 32) ^ x##3 ^ k1;                                                         \
    x##1 = q;                                                                             \
    x##3 = p;                                                                             \
  } while (0)
/* Word j of block first + lane to words[16 j + lane]. */
#define TD_PHILOX_STORE(words, x, y)                                                      \
  do {                                                                                    \
    *(TdWordsMem *)(words) = (x##0 & 0xffffffffu) | y##0 << 32;                           \
    *(TdWordsMem *)((words) + 16) = (x##1 & 0xffffffffu) | y##1 << 32;                    \
    *(TdWordsMem *)((words) + 32) = (x##2 & 0xffffffffu) | y##2 << 32;                    \
    *(TdWordsMem *)((words) + 48) = (x##3 & 0xffffffffu) | y##3 << 32;                    \
  } while (0)

/* `count` times 16 blocks from `first` on, one or two. A round waits for its products twice as
 * long as it takes: with vectors of 16 lanes two runs of 16 blocks have room beside each other. */
TD_INLINE void td_philox_blocks(uint32_t *words, const TdControl *ctl, const TdKeys *keys,
                                uint64_t first, const int count) {
  const TdWords none = { 0 }, m0 = none + 0xD2511F53u, m1 = none + 0xCD9E8D57u;
  const uint64_t step_low = (uint32_t)ctl->step, step_high = (uint64_t)ctl->step >> 32;
  TdWords lane = none;
  for (int i = 0; i < TD_LANES / 2; i++) lane[i] = 2 * (uint64_t)i;
#if TD_LANES == 16
  if (count == 2) {
    TD_PHILOX_OPEN(a, first);
    TD_PHILOX_OPEN(b, first + 1);
    TD_PHILOX_OPEN(c, first + 16);
    TD_PHILOX_OPEN(d, first + 17);
#pragma GCC unroll 10
    for (int round = 0; round < 10; round++) {
      const uint64_t k0 = keys->even[round], k1 = keys->odd[round];
      TD_PHILOX_TURN(a);
      TD_PHILOX_TURN(b);
      TD_PHILOX_TURN(c);
      TD_PHILOX_TURN(d);
    }
    TD_PHILOX_STORE(words, a, b);
    TD_PHILOX_STORE(words + TD_DRAWN, c, d);
    return;
  }
#endif
  for (int i = 0; i < 16 * count; i += TD_LANES) {
    TD_PHILOX_OPEN(a, first + (uint64_t)i);
    TD_PHILOX_OPEN(b, first + (uint64_t)i + 1);
#pragma GCC unroll 10
    for (int round = 0; round < 10; round++) {
      const uint64_t k0 = keys->even[round], k1 = keys->odd[round];
      TD_PHILOX_TURN(a);
      TD_PHILOX_TURN(b);
    }
    TD_PHILOX_STORE(words + i / 16 * TD_DRAWN + i % 16, a, b);
  }
}

/* out[i] = the draw `number` + i, of n; a run may begin and end within its 64s, each of
 * which is convert(out, words, ctl, site, its first number, rest ...) */
#define TD_DRAW_RUN(type, convert, ...)                                                   \
  uint32_t words[2 * TD_DRAWN] __attribute__((aligned(64)));                              \
  type values[TD_DRAWN] __attribute__((aligned(64)));                                     \
  TdKeys keys;                                                                            \
  td_keys_of(&keys, ctl, (uint32_t)site);                                                 \
  for (int64_t i = 0, count; i < n; i += count) {                                         \
    const uint64_t at = (uint64_t)(number + i), block = at / TD_DRAWN * 16;               \
    const int64_t skip = (int64_t)(at % TD_DRAWN), from = (int64_t)at - skip;             \
    if (skip == 0 && n - i >= 2 * TD_DRAWN) {                                             \
      count = 2 * TD_DRAWN;                                                               \
      td_philox_blocks(words, ctl, &keys, block, 2);                                      \
      convert(out + i, words, ctl, site, from, __VA_ARGS__);                              \
      convert(out + i + TD_DRAWN, words + TD_DRAWN, ctl, site, from + TD_DRAWN, __VA_ARGS__); \
      continue;                                                                           \
    }                                                                                     \
    count = n - i < TD_DRAWN - skip ? n - i : TD_DRAWN - skip;                            \
    td_philox_blocks(words, ctl, &keys, block, 1);                                        \
    if (count == TD_DRAWN) {                                                              \
      convert(out + i, words, ctl, site, from, __VA_ARGS__);                              \
    } else {                                                                              \
      convert(values, words, ctl, site, from, __VA_ARGS__);                               \
      __builtin_memcpy(out + i, values + skip, (size_t)count * sizeof *out);              \
    }                                                                                     \
  }

TD_SHARED void td_uniform_run(float *out, const TdControl *ctl, int64_t site, int64_t number,
                              int64_t n);
TD_SHARED void td_normal_run(float *out, const TdControl *ctl, int64_t site, int64_t number,
                             int64_t n);
TD_SHARED void td_log_uniform_run(float *out, const TdControl *ctl, int64_t site, int64_t number,
                                  int64_t n);
TD_SHARED void td_log_rest_run(float *out, const TdControl *ctl, int64_t site, int64_t number,
                               int64_t n);
TD_SHARED void td_pick_run(int32_t *out, const TdControl *ctl, int64_t site, int64_t number,
                           int64_t n, int64_t below);
#ifndef TD_DECLARES
TD_INLINE void td_uniforms_of(float *out, const uint32_t *words, const TdControl *ctl,
                              int64_t site, int64_t number, int64_t rest) {
  (void)ctl, (void)site, (void)number, (void)rest;
#pragma omp simd
  for (int i = 0; i < TD_DRAWN; i++) out[i] = td_uniform_of(words[i]);
}
TD_SHARED void td_uniform_run(float *out, const TdControl *ctl, int64_t site, int64_t number,
                              int64_t n) {
  TD_DRAW_RUN(float, td_uniforms_of, 0)
}

TD_INLINE void td_normals_of(float *out, const uint32_t *words, const TdControl *ctl,
                             int64_t site, int64_t number, int64_t rest) {
  (void)ctl, (void)site, (void)number, (void)rest;
  for (int pair = 0; pair < TD_DRAWN; pair += 32) {
#pragma omp simd
    for (int i = pair; i < pair + 16; i++) {
      const float radius = td_radius_of(words[i]);
      out[i] = radius * td_cosine_of(words[16 + i]);
      out[16 + i] = radius * td_cosine_of(words[16 + i] - 0x40000000u);
    }
  }
}
TD_SHARED void td_normal_run(float *out, const TdControl *ctl, int64_t site, int64_t number,
                             int64_t n) {
  TD_DRAW_RUN(float, td_normals_of, 0)
}

/* The lower words cost as much as the upper ones, and one draw in 128 needs its own. */
TD_INLINE void td_logs_of(float *out, const uint32_t *words, const TdControl *ctl, int64_t site,
                          int64_t number, uint32_t rest) {
  float end[TD_DRAWN] __attribute__((aligned(64)));
  uint32_t near = 0;
#pragma omp simd reduction(|:near)
  for (int i = 0; i < TD_DRAWN; i++) {
    end[i] = td_end_of(words[i]);
    near |= TD_END(words[i]) < TD_NEAR_END;
  }
  for (int i = 0; i < TD_DRAWN && near; i++)
    if (TD_END(words[i]) < TD_NEAR_END) end[i] = td_end_drawn(ctl, site, number + i, words[i]);
#pragma omp simd
  for (int i = 0; i < TD_DRAWN; i++) out[i] = td_log_of_end(end[i], words[i] >> 31 ^ rest);
}
TD_SHARED void td_log_uniform_run(float *out, const TdControl *ctl, int64_t site, int64_t number,
                                  int64_t n) {
  TD_DRAW_RUN(float, td_logs_of, 0)
}
TD_SHARED void td_log_rest_run(float *out, const TdControl *ctl, int64_t site, int64_t number,
                               int64_t n) {
  TD_DRAW_RUN(float, td_logs_of, 1)
}

TD_INLINE void td_picks_of(int32_t *out, const uint32_t *words, const TdControl *ctl, int64_t site,
                           int64_t number, int64_t below) {
  uint32_t carry = 0;
#pragma omp simd reduction(|:carry)
  for (int i = 0; i < TD_DRAWN; i++) {
    const uint64_t product = (uint64_t)words[i] * (uint32_t)below;
    out[i] = (int32_t)(product >> 32);
    carry |= TD_MAY_CARRY(product, below);
  }
  for (int i = 0; i < TD_DRAWN && carry; i++)
    if (TD_MAY_CARRY(words[i] * (uint32_t)below, below))
      out[i] = td_pick(ctl, site, number + i, below);
}
TD_SHARED void td_pick_run(int32_t *out, const TdControl *ctl, int64_t site, int64_t number,
                           int64_t n, int64_t below) {
  const int64_t most = 0x80000000, m = below < 1 ? 1 : below < most ? below : most;
  TD_DRAW_RUN(int32_t, td_picks_of, m)
}
#endif

#endif

/* ---- what the tables below are made of ---- */
typedef void Kernel(const TdCall *call, int64_t begin, int64_t end);
typedef enum { TEMP, STATE, INPUT, CONST, KEPT } BufferKind;
typedef enum { F32, F64, BF16, F16, I32, U8 } Type;
typedef enum { LAUNCH, LOOP, END, STOP } StepKind;
enum { MAX_LOOPS = 8 };
typedef struct Buffer {
  BufferKind kind;
  Type type;
  const char *name;
  int64_t count;
  size_t bytes, offset;
  int state;
  const void *data;
  int rank;
  int64_t shape[8];
} Buffer;
typedef struct Step {
  StepKind kind;
  int once;                      /* fills KEPT buffers: 1 from constants, 2 from parameters */
  Kernel *kernel;
  int64_t pieces;
  int nargs;
  const int *args;
  const size_t *begins;          /* bytes, by argument; or NULL */
  int slot;
  int64_t count;
  int reverse;
} Step;
typedef struct Named { const char *name; int buffer; } Named;
typedef struct Entry {
  const char *name;
  const Buffer *buffers;
  int nbuffers;
  const Step *steps;
  const Named *outputs;
  size_t arena;
} Entry;
typedef struct State { const char *name; Type type; int64_t count; size_t size; } State;
typedef struct Tensor { const char *name; int state; int64_t offset; int rank; int64_t shape[8]; } Tensor;


/* ---- kernels: each runs pieces begin .. end - 1 of its work ---- */

/* <std/nn.td>:38: param w[d,o] ~ normal(0, 0.02)
 * init.denoise.linear.w[d=28, o=16] */
#line 38 "<std/nn.td>"
static void map_init_denoise_linear_w(const TdCall *call, int64_t begin, int64_t end)
{
  const int32_t *const sites = (const int32_t *)call->arg[1];
  const int64_t site0 = sites[0] & 0xffffffff;
  const TdControl control = *call->ctl, *const ctl = &control;
  float *restrict init_denoise_linear_w_3 = (float *)call->arg[0];
  for (int64_t piece = begin; piece < end; piece++) {
    for (int64_t block = 0; block < 448; block += TD_BLOCK) {
      const int64_t block_end = block + TD_BLOCK < 448 ? block + TD_BLOCK : 448;
      float normal_1[TD_BLOCK + TD_LANES] __attribute__((aligned(64)));
      td_normal_run(normal_1, ctl, site0, 0 + block, block_end - block);
      #pragma omp simd
      for (int64_t o_0 = block; o_0 < block_end; o_0++) {
        const float init_denoise_linear_w_2 = (0.02f * normal_1[o_0 - block]);
        init_denoise_linear_w_3[o_0] = init_denoise_linear_w_2;
      }
    }
  }
}
#line 1647 "tiny.c"

/* <std/nn.td>:39: param b[o] = 0
 * init.denoise.linear.b[o=16] */
#line 39 "<std/nn.td>"
static void map_init_denoise_linear_b(const TdCall *call, int64_t begin, int64_t end)
{
  float *restrict init_denoise_linear_b_2 = (float *)call->arg[0];
  for (int64_t piece = begin; piece < end; piece++) {
    #pragma omp simd
    for (int64_t o_0 = 0; o_0 < 16; o_0++) {
      const float init_denoise_linear_b_1 = 0.0f;
      init_denoise_linear_b_2[o_0] = init_denoise_linear_b_1;
    }
  }
}
#line 1663 "tiny.c"

/* <std/nn.td>:39: param b[o] = 0
 * init.denoise.linear_2.b[o=28] */
#line 39 "<std/nn.td>"
static void map_init_denoise_linear_2_b(const TdCall *call, int64_t begin, int64_t end)
{
  float *restrict init_denoise_linear_2_b_2 = (float *)call->arg[0];
  for (int64_t piece = begin; piece < end; piece++) {
    #pragma omp simd
    for (int64_t o_0 = 0; o_0 < 28; o_0++) {
      const float init_denoise_linear_2_b_1 = 0.0f;
      init_denoise_linear_2_b_2[o_0] = init_denoise_linear_2_b_1;
    }
  }
}
#line 1679 "tiny.c"

/* <std/nn.td>:38: param w[d,o] ~ normal(0, 0.02)
 * init.matrix[896] */
#line 38 "<std/nn.td>"
static void map_init_matrix(const TdCall *call, int64_t begin, int64_t end)
{
  const float *restrict init_matrix_1 = (const float *)call->arg[0];
  float *restrict init_matrix_3 = (float *)call->arg[1];
  for (int64_t piece = begin; piece < end; piece++) {
    #pragma omp simd
    for (int64_t i_0 = 0; i_0 < 896; i_0++) {
      const float init_matrix_2 = init_matrix_1[i_0];
      init_matrix_3[i_0] = init_matrix_2;
    }
  }
}
#line 1696 "tiny.c"

/* <std/nn.td>:38: param w[d,o] ~ normal(0, 0.02)
 * init.vector[44] */
#line 38 "<std/nn.td>"
static void map_init_vector(const TdCall *call, int64_t begin, int64_t end)
{
  const float *restrict init_vector_1 = (const float *)call->arg[0];
  float *restrict init_vector_3 = (float *)call->arg[1];
  for (int64_t piece = begin; piece < end; piece++) {
    #pragma omp simd
    for (int64_t i_0 = 0; i_0 < 44; i_0++) {
      const float init_vector_2 = init_vector_1[i_0];
      init_vector_3[i_0] = init_vector_2;
    }
  }
}
#line 1713 "tiny.c"

/* tests/golden/tiny.td:15: e[b,l,v] ~ normal()
 * e[b=2, l=8, v=28], denoise.linear.y.sum[2, 8, o=16] = sum over 28, denoise.linear_2.y.sum[2, 8, 16], denoise.linear_2.y.sum[2, 8, o=28] = sum over 16, d[2, 8, o=28], d.d[2, 8, o=28], d.denoise.linear_2.w[16, 2, 8], d.denoise.linear_2.w[16, 16, 28] = sum over 8, d.denoise.linear.y[2, 8, o=16] = sum over 28, d.denoise.linear.w[16, 28, 16] = sum over 8 */
#line 15 "tests/golden/tiny.td"
static void column_e(const TdCall *call, int64_t begin, int64_t end)
{
  const TdControl control = *call->ctl, *const ctl = &control;
  float *restrict d_denoise_linear_2_w_1 = (float *)call->arg[0];
  float *restrict d_denoise_linear_w_3 = (float *)call->arg[1];
  const int32_t *restrict x_12 = (const int32_t *)call->arg[2];
  const float *restrict denoise_linear_w_15 = (const float *)call->arg[3];
  const float *restrict denoise_linear_b_18 = (const float *)call->arg[4];
  const float *restrict denoise_linear_2_w_28 = (const float *)call->arg[3] + 448;
  const float *restrict denoise_linear_2_b_31 = (const float *)call->arg[4] + 16;
  float *restrict d_33 = (float *)call->arg[5];
  float *restrict d_d_36 = (float *)call->arg[6];
  float *restrict d_denoise_linear_y_49 = (float *)call->arg[7];
  float e_8[28] __attribute__((aligned(64))) = {0};
  float denoise_linear_y_sum_16[16] __attribute__((aligned(64))) = {0};
  float denoise_linear_2_y_sum_21[16] __attribute__((aligned(64))) = {0};
  float d_denoise_linear_2_w_23[16] __attribute__((aligned(64))) = {0};
  float denoise_linear_2_y_sum_29[28] __attribute__((aligned(64))) = {0};
  for (int64_t piece = begin; piece < end; piece++) {
    float *d_denoise_linear_2_w_2 = d_denoise_linear_2_w_1 + piece * 448;
    for (int64_t i = 0; i < 448; i++) d_denoise_linear_2_w_2[i] = 0.0f;
    float *d_denoise_linear_w_4 = d_denoise_linear_w_3 + piece * 448;
    for (int64_t i = 0; i < 448; i++) d_denoise_linear_w_4[i] = 0.0f;
    {
      const int64_t l_0 = piece;
      float normal_6[28 + TD_LANES] __attribute__((aligned(64)));
      td_normal_run(normal_6, ctl, (int64_t)3818823323LL, (28 * (int32_t)l_0), 28);
      #pragma omp simd
      for (int64_t v_5 = 0; v_5 < 28; v_5++) {
        const float e_7 = normal_6[v_5];
        e_8[v_5] = e_7;
      }
      const int32_t t13 = x_12[l_0];
      float denoise_linear_y_sum_11[16] __attribute__((aligned(64)));
      for (int64_t o_10 = 0; o_10 < 16; o_10++) denoise_linear_y_sum_11[o_10] = 0.0f;
      for (int64_t r_9 = 0; r_9 < 28; r_9++) {
        const float t14 = ((((int32_t)r_9 == t13) ? 1.0f : 0.0f) + e_8[r_9]);
        #pragma omp simd
        for (int64_t o_10 = 0; o_10 < 16; o_10++) {
          denoise_linear_y_sum_11[o_10] += (t14 * denoise_linear_w_15[16 * r_9 + o_10]);
        }
      }
      #pragma omp simd
      for (int64_t o_10 = 0; o_10 < 16; o_10++) {
        denoise_linear_y_sum_16[o_10] = denoise_linear_y_sum_11[o_10];
      }
      #pragma omp simd
      for (int64_t i_17 = 0; i_17 < 16; i_17++) {
        const float t19 = (denoise_linear_y_sum_16[i_17] + denoise_linear_b_18[i_17]);
        const float denoise_linear_2_y_sum_20 = ((0.5f * t19) * td_erf1p_gaussf((0.7071067811865476f * t19)));
        denoise_linear_2_y_sum_21[i_17] = denoise_linear_2_y_sum_20;
        const float d_denoise_linear_2_w_22 = ((0.5f * t19) * td_erf1p_gaussf((0.7071067811865476f * t19)));
        d_denoise_linear_2_w_23[i_17] = d_denoise_linear_2_w_22;
      }
      float denoise_linear_2_y_sum_26[28] __attribute__((aligned(64)));
      for (int64_t o_25 = 0; o_25 < 28; o_25++) denoise_linear_2_y_sum_26[o_25] = 0.0f;
      for (int64_t r_24 = 0; r_24 < 16; r_24++) {
        const float t27 = denoise_linear_2_y_sum_21[r_24];
        #pragma omp simd
        for (int64_t o_25 = 0; o_25 < 28; o_25++) {
          denoise_linear_2_y_sum_26[o_25] += (t27 * denoise_linear_2_w_28[28 * r_24 + o_25]);
        }
      }
      #pragma omp simd
      for (int64_t o_25 = 0; o_25 < 28; o_25++) {
        denoise_linear_2_y_sum_29[o_25] = denoise_linear_2_y_sum_26[o_25];
      }
      #pragma omp simd
      for (int64_t o_30 = 0; o_30 < 28; o_30++) {
        const float d_32 = ((denoise_linear_2_y_sum_29[o_30] + denoise_linear_2_b_31[o_30]) - e_8[o_30]);
        d_33[28 * l_0 + o_30] = d_32;
        const float t34 = (0.002232142857142857f * d_32);
        const float d_d_35 = (t34 + t34);
        d_d_36[28 * l_0 + o_30] = d_d_35;
      }
      for (int64_t i_37 = 0; i_37 < 16; i_37++) {
        const float t39 = d_denoise_linear_2_w_23[i_37];
        #pragma omp simd
        for (int64_t i_38 = 0; i_38 < 28; i_38++) {
          d_denoise_linear_2_w_2[1 * i_38 + 28 * i_37] += (d_d_36[28 * l_0 + i_38] * t39);
        }
      }
      for (int64_t o_40 = 0; o_40 < 16; o_40++) {
        const float t44 = (denoise_linear_y_sum_16[o_40] + denoise_linear_b_18[o_40]);
        const float t45 = (0.5f * t44);
        const float t46 = (0.7071067811865476f * t44);
        const float t47 = (1.1283791670955126f * td_gaussf(t46));
        const float t48 = td_erf1p_gaussf(t46);
        float d_denoise_linear_y_42 = 0.0f;
        #pragma omp simd reduction(+:d_denoise_linear_y_42)
        for (int64_t r_41 = 0; r_41 < 28; r_41++) {
          const float t43 = (d_d_36[28 * l_0 + r_41] * denoise_linear_2_w_28[28 * o_40 + r_41]);
          d_denoise_linear_y_42 += ((0.7071067811865476f * ((t43 * t45) * t47)) + (0.5f * (t43 * t48)));
        }
        d_denoise_linear_y_49[16 * l_0 + o_40] = d_denoise_linear_y_42;
      }
      for (int64_t i_50 = 0; i_50 < 28; i_50++) {
        const float t52 = ((((int32_t)i_50 == t13) ? 1.0f : 0.0f) + e_8[i_50]);
        #pragma omp simd
        for (int64_t i_51 = 0; i_51 < 16; i_51++) {
          d_denoise_linear_w_4[1 * i_51 + 16 * i_50] += (d_denoise_linear_y_49[16 * l_0 + i_51] * t52);
        }
      }
    }
  }
}
#line 1824 "tiny.c"

/* tests/golden/tiny.td:17: minimize mean[b,l,v](d[b,l,v]^2)
 * loss.mean = sum over 2 8 28, loss, d.denoise.linear_2.b[28] = sum over 2 8, d.denoise.linear.b[16] = sum over 2 8 */
#line 17 "tests/golden/tiny.td"
static void row_loss_mean(const TdCall *call, int64_t begin, int64_t end)
{
  const float *restrict d_5 = (const float *)call->arg[0];
  float *restrict loss_8 = (float *)call->arg[1];
  const float *restrict d_d_12 = (const float *)call->arg[2];
  float * d_denoise_linear_2_b_13 = (float *)call->arg[3] + 16;
  const float *restrict d_denoise_linear_y_17 = (const float *)call->arg[4];
  float * d_denoise_linear_b_18 = (float *)call->arg[3];
  for (int64_t piece = begin; piece < end; piece++) {
    float sums_4[TD_RUN] __attribute__((aligned(64))) = {0};
    #pragma GCC unroll 1
    for (int64_t run_1 = 0; run_1 < 448; run_1 += TD_RUN) {
      #pragma omp simd
      for (int64_t lane_2 = 0; lane_2 < TD_RUN; lane_2++) {
        const int64_t r_0 = run_1 + lane_2;
        const float t6 = d_5[r_0];
        sums_4[lane_2] += (t6 * t6);
      }
    }
    const float loss_mean_3 = td_sum_of(sums_4);
    const float loss_7 = (0.002232142857142857f * loss_mean_3);
    loss_8[0] = loss_7;
    float d_denoise_linear_2_b_11[28] __attribute__((aligned(64)));
    for (int64_t i_10 = 0; i_10 < 28; i_10++) d_denoise_linear_2_b_11[i_10] = 0.0f;
    for (int64_t r_9 = 0; r_9 < 16; r_9++) {
      #pragma omp simd
      for (int64_t i_10 = 0; i_10 < 28; i_10++) {
        d_denoise_linear_2_b_11[i_10] += d_d_12[28 * r_9 + i_10];
      }
    }
    #pragma omp simd
    for (int64_t i_10 = 0; i_10 < 28; i_10++) {
      d_denoise_linear_2_b_13[i_10] = d_denoise_linear_2_b_11[i_10];
    }
    float d_denoise_linear_b_16[16] __attribute__((aligned(64)));
    for (int64_t i_15 = 0; i_15 < 16; i_15++) d_denoise_linear_b_16[i_15] = 0.0f;
    for (int64_t r_14 = 0; r_14 < 16; r_14++) {
      #pragma omp simd
      for (int64_t i_15 = 0; i_15 < 16; i_15++) {
        d_denoise_linear_b_16[i_15] += d_denoise_linear_y_17[16 * r_14 + i_15];
      }
    }
    #pragma omp simd
    for (int64_t i_15 = 0; i_15 < 16; i_15++) {
      d_denoise_linear_b_18[i_15] = d_denoise_linear_b_16[i_15];
    }
  }
}
#line 1877 "tiny.c"

/* <std/nn.td>:40: y[..., o] = sum[d](x[..., d] * w[d,o]) + b[o]
 * d.denoise.linear_2.w[16, 28] = sum over 16 */
#line 40 "<std/nn.td>"
static void row_d_denoise_linear_2_w(const TdCall *call, int64_t begin, int64_t end)
{
  const float *restrict d_denoise_linear_2_w_4 = (const float *)call->arg[0];
  float *restrict d_denoise_linear_2_w_5 = (float *)call->arg[1];
  for (int64_t piece = begin; piece < end; piece++) {
    for (int64_t i_0 = 0; i_0 < 16; i_0++) {
      float d_denoise_linear_2_w_3[28] __attribute__((aligned(64)));
      for (int64_t i_2 = 0; i_2 < 28; i_2++) d_denoise_linear_2_w_3[i_2] = 0.0f;
      for (int64_t r_1 = 0; r_1 < 16; r_1++) {
        #pragma omp simd
        for (int64_t i_2 = 0; i_2 < 28; i_2++) {
          d_denoise_linear_2_w_3[i_2] += d_denoise_linear_2_w_4[28 * i_0 + 448 * r_1 + i_2];
        }
      }
      #pragma omp simd
      for (int64_t i_2 = 0; i_2 < 28; i_2++) {
        d_denoise_linear_2_w_5[28 * i_0 + i_2] = d_denoise_linear_2_w_3[i_2];
      }
    }
  }
}
#line 1903 "tiny.c"

/* <std/nn.td>:40: y[..., o] = sum[d](x[..., d] * w[d,o]) + b[o]
 * d.denoise.linear.w[28, 16] = sum over 16 */
#line 40 "<std/nn.td>"
static void row_d_denoise_linear_w(const TdCall *call, int64_t begin, int64_t end)
{
  const float *restrict d_denoise_linear_w_4 = (const float *)call->arg[0];
  float *restrict d_denoise_linear_w_5 = (float *)call->arg[1];
  for (int64_t piece = begin; piece < end; piece++) {
    for (int64_t i_0 = 0; i_0 < 28; i_0++) {
      float d_denoise_linear_w_3[16] __attribute__((aligned(64)));
      for (int64_t i_2 = 0; i_2 < 16; i_2++) d_denoise_linear_w_3[i_2] = 0.0f;
      for (int64_t r_1 = 0; r_1 < 16; r_1++) {
        #pragma omp simd
        for (int64_t i_2 = 0; i_2 < 16; i_2++) {
          d_denoise_linear_w_3[i_2] += d_denoise_linear_w_4[16 * i_0 + 448 * r_1 + i_2];
        }
      }
      #pragma omp simd
      for (int64_t i_2 = 0; i_2 < 16; i_2++) {
        d_denoise_linear_w_5[16 * i_0 + i_2] = d_denoise_linear_w_3[i_2];
      }
    }
  }
}
#line 1929 "tiny.c"

/* tests/golden/tiny.td:26: train { loss main  adam(lr = 1e-2)  batch B  steps 20 }
 * lr */
#line 26 "tests/golden/tiny.td"
static void map_lr(const TdCall *call, int64_t begin, int64_t end)
{
  float *restrict lr_1 = (float *)call->arg[0];
  for (int64_t piece = begin; piece < end; piece++) {
    const float lr_0 = 0.01f;
    lr_1[0] = lr_0;
  }
}
#line 1942 "tiny.c"

/* <std/core.td>:43: m2[...] = beta1 * m[...] + (1 - beta1) * g[...]
 * adam.m2[896], adam.v2[896], adam.c1, adam.c2, adam.p2[896] */
#line 43 "<std/core.td>"
static void map_adam_m2(const TdCall *call, int64_t begin, int64_t end)
{
  const TdControl control = *call->ctl, *const ctl = &control;
  const float * adam_m_matrix_1 = (const float *)call->arg[0];
  const float *restrict grad_matrix_2 = (const float *)call->arg[1];
  float * adam_m2_4 = (float *)call->arg[0];
  const float * adam_v_matrix_5 = (const float *)call->arg[2];
  float * adam_v2_8 = (float *)call->arg[2];
  float *restrict adam_c1_11 = (float *)call->arg[3];
  float *restrict adam_c2_14 = (float *)call->arg[4];
  const float * params_matrix_16 = (const float *)call->arg[5];
  float * adam_p2_19 = (float *)call->arg[5];
  const float t9 = (1.0f - td_powf(0.9f, ((float)ctl->step)));
  const float t12 = (1.0f - td_powf(0.999f, ((float)ctl->step)));
  for (int64_t piece = begin; piece < end; piece++) {
    #pragma omp simd
    for (int64_t i_0 = 0; i_0 < 896; i_0++) {
      const float adam_m2_3 = ((0.9f * adam_m_matrix_1[i_0]) + (0.09999999999999998f * grad_matrix_2[i_0]));
      adam_m2_4[i_0] = adam_m2_3;
      const float t6 = grad_matrix_2[i_0];
      const float adam_v2_7 = ((0.999f * adam_v_matrix_5[i_0]) + (0.0010000000000000009f * (t6 * t6)));
      adam_v2_8[i_0] = adam_v2_7;
    }
    const float adam_c1_10 = t9;
    adam_c1_11[0] = adam_c1_10;
    const float adam_c2_13 = t12;
    adam_c2_14[0] = adam_c2_13;
    #pragma omp simd
    for (int64_t i_15 = 0; i_15 < 896; i_15++) {
      const float t17 = ((0.01f * (adam_m2_4[i_15] / adam_c1_10)) / (td_sqrtf((adam_v2_8[i_15] / adam_c2_13)) + 1e-08f));
      const float adam_p2_18 = (params_matrix_16[i_15] - t17);
      adam_p2_19[i_15] = adam_p2_18;
    }
  }
}
#line 1982 "tiny.c"

/* <std/core.td>:43: m2[...] = beta1 * m[...] + (1 - beta1) * g[...]
 * adam_2.m2[44], adam_2.v2[44], adam_2.p2[44] */
#line 43 "<std/core.td>"
static void map_adam_2_m2(const TdCall *call, int64_t begin, int64_t end)
{
  const float * adam_m_vector_1 = (const float *)call->arg[0];
  const float *restrict grad_vector_2 = (const float *)call->arg[1];
  float * adam_2_m2_4 = (float *)call->arg[0];
  const float * adam_v_vector_5 = (const float *)call->arg[2];
  float * adam_2_v2_8 = (float *)call->arg[2];
  const float * params_vector_9 = (const float *)call->arg[3];
  const float *restrict adam_c1_10 = (const float *)call->arg[4];
  const float *restrict adam_c2_12 = (const float *)call->arg[5];
  float * adam_2_p2_16 = (float *)call->arg[3];
  const float t11 = adam_c1_10[0];
  const float t13 = adam_c2_12[0];
  for (int64_t piece = begin; piece < end; piece++) {
    #pragma omp simd
    for (int64_t i_0 = 0; i_0 < 44; i_0++) {
      const float adam_2_m2_3 = ((0.9f * adam_m_vector_1[i_0]) + (0.09999999999999998f * grad_vector_2[i_0]));
      adam_2_m2_4[i_0] = adam_2_m2_3;
      const float t6 = grad_vector_2[i_0];
      const float adam_2_v2_7 = ((0.999f * adam_v_vector_5[i_0]) + (0.0010000000000000009f * (t6 * t6)));
      adam_2_v2_8[i_0] = adam_2_v2_7;
      const float t14 = (params_vector_9[i_0] - ((0.01f * (adam_2_m2_3 / t11)) / (td_sqrtf((adam_2_v2_7 / t13)) + 1e-08f)));
      const float adam_2_p2_15 = t14;
      adam_2_p2_16[i_0] = adam_2_p2_15;
    }
  }
}
#line 2014 "tiny.c"

/* tests/golden/tiny.td:15: e[b,l,v] ~ normal()
 * e[b=2, l=8, v=28], denoise.linear.y.sum[2, 8, o=16] = sum over 28, denoise.linear_2.y.sum[2, 8, 16], denoise.linear_2.y.sum[2, 8, o=28] = sum over 16 */
#line 15 "tests/golden/tiny.td"
static void row_e(const TdCall *call, int64_t begin, int64_t end)
{
  const TdControl control = *call->ctl, *const ctl = &control;
  float *restrict e_4 = (float *)call->arg[0];
  const int32_t *restrict x_8 = (const int32_t *)call->arg[1];
  const float *restrict denoise_linear_w_11 = (const float *)call->arg[2];
  const float *restrict denoise_linear_b_14 = (const float *)call->arg[3];
  const float *restrict denoise_linear_2_w_22 = (const float *)call->arg[2] + 448;
  float *restrict denoise_linear_2_y_sum_23 = (float *)call->arg[4];
  float denoise_linear_y_sum_12[16] __attribute__((aligned(64))) = {0};
  float denoise_linear_2_y_sum_17[16] __attribute__((aligned(64))) = {0};
  for (int64_t piece = begin; piece < end; piece++) {
    for (int64_t l_0 = 0; l_0 < 16; l_0++) {
      float normal_2[28 + TD_LANES] __attribute__((aligned(64)));
      td_normal_run(normal_2, ctl, (int64_t)3818823323LL, (28 * (int32_t)l_0), 28);
      #pragma omp simd
      for (int64_t v_1 = 0; v_1 < 28; v_1++) {
        const float e_3 = normal_2[v_1];
        e_4[28 * l_0 + v_1] = e_3;
      }
      const int32_t t9 = x_8[l_0];
      float denoise_linear_y_sum_7[16] __attribute__((aligned(64)));
      for (int64_t o_6 = 0; o_6 < 16; o_6++) denoise_linear_y_sum_7[o_6] = 0.0f;
      for (int64_t r_5 = 0; r_5 < 28; r_5++) {
        const float t10 = ((((int32_t)r_5 == t9) ? 1.0f : 0.0f) + e_4[28 * l_0 + r_5]);
        #pragma omp simd
        for (int64_t o_6 = 0; o_6 < 16; o_6++) {
          denoise_linear_y_sum_7[o_6] += (t10 * denoise_linear_w_11[16 * r_5 + o_6]);
        }
      }
      #pragma omp simd
      for (int64_t o_6 = 0; o_6 < 16; o_6++) {
        denoise_linear_y_sum_12[o_6] = denoise_linear_y_sum_7[o_6];
      }
      #pragma omp simd
      for (int64_t i_13 = 0; i_13 < 16; i_13++) {
        const float t15 = (denoise_linear_y_sum_12[i_13] + denoise_linear_b_14[i_13]);
        const float denoise_linear_2_y_sum_16 = ((0.5f * t15) * td_erf1p_tablef((0.7071067811865476f * t15)));
        denoise_linear_2_y_sum_17[i_13] = denoise_linear_2_y_sum_16;
      }
      float denoise_linear_2_y_sum_20[28] __attribute__((aligned(64)));
      for (int64_t o_19 = 0; o_19 < 28; o_19++) denoise_linear_2_y_sum_20[o_19] = 0.0f;
      for (int64_t r_18 = 0; r_18 < 16; r_18++) {
        const float t21 = denoise_linear_2_y_sum_17[r_18];
        #pragma omp simd
        for (int64_t o_19 = 0; o_19 < 28; o_19++) {
          denoise_linear_2_y_sum_20[o_19] += (t21 * denoise_linear_2_w_22[28 * r_18 + o_19]);
        }
      }
      #pragma omp simd
      for (int64_t o_19 = 0; o_19 < 28; o_19++) {
        denoise_linear_2_y_sum_23[28 * l_0 + o_19] = denoise_linear_2_y_sum_20[o_19];
      }
    }
  }
}
#line 2075 "tiny.c"

/* tests/golden/tiny.td:17: minimize mean[b,l,v](d[b,l,v]^2)
 * loss.mean = sum over 2 8 28, loss */
#line 17 "tests/golden/tiny.td"
static void row_loss_mean_1(const TdCall *call, int64_t begin, int64_t end)
{
  const float *restrict denoise_linear_2_y_sum_3 = (const float *)call->arg[0];
  const float *restrict denoise_linear_2_b_4 = (const float *)call->arg[1];
  const float *restrict e_5 = (const float *)call->arg[2];
  float *restrict loss_8 = (float *)call->arg[3];
  for (int64_t piece = begin; piece < end; piece++) {
    float loss_mean_2 = 0.0f;
    for (int64_t r_0 = 0; r_0 < 16; r_0++) {
      #pragma omp simd reduction(+:loss_mean_2)
      for (int64_t r_1 = 0; r_1 < 28; r_1++) {
        const float t6 = ((denoise_linear_2_y_sum_3[28 * r_0 + r_1] + denoise_linear_2_b_4[r_1]) - e_5[28 * r_0 + r_1]);
        loss_mean_2 += (t6 * t6);
      }
    }
    const float loss_7 = (0.002232142857142857f * loss_mean_2);
    loss_8[0] = loss_7;
  }
}
#line 2099 "tiny.c"

/* tests/golden/tiny.td:21: state s[b in B, l in L, v in V] = normal()
 * s[b=2, l=8, v=28] */
#line 21 "tests/golden/tiny.td"
static void map_s(const TdCall *call, int64_t begin, int64_t end)
{
  const TdControl control = *call->ctl, *const ctl = &control;
  float *restrict s_3 = (float *)call->arg[0];
  for (int64_t piece = begin; piece < end; piece++) {
    for (int64_t block = 0; block < 448; block += TD_BLOCK) {
      const int64_t block_end = block + TD_BLOCK < 448 ? block + TD_BLOCK : 448;
      float normal_1[TD_BLOCK + TD_LANES] __attribute__((aligned(64)));
      td_normal_run(normal_1, ctl, 1157642732, 0 + block, block_end - block);
      #pragma omp simd
      for (int64_t v_0 = block; v_0 < block_end; v_0++) {
        const float s_2 = normal_1[v_0 - block];
        s_3[v_0] = s_2;
      }
    }
  }
}
#line 2121 "tiny.c"

/* <std/nn.td>:40: y[..., o] = sum[d](x[..., d] * w[d,o]) + b[o]
 * denoise.linear.y.sum[2, 8, o=16] = sum over 28, denoise.linear_2.y.sum[2, 8, 16], denoise.linear_2.y.sum[2, 8, o=28] = sum over 16, s[2, 8, 28] */
#line 40 "<std/nn.td>"
static void row_denoise_linear_y_sum(const TdCall *call, int64_t begin, int64_t end)
{
  const float * walk_s_4 = (const float *)call->arg[0];
  const float *restrict denoise_linear_w_6 = (const float *)call->arg[1];
  const float *restrict denoise_linear_b_9 = (const float *)call->arg[2];
  const float *restrict denoise_linear_2_w_17 = (const float *)call->arg[1] + 448;
  const float *restrict denoise_linear_2_b_20 = (const float *)call->arg[2] + 16;
  const int32_t *restrict t_21 = (const int32_t *)call->arg[3];
  float * s_24 = (float *)call->arg[0];
  const float t22 = ((float)(t_21[0] + 1));
  float denoise_linear_y_sum_7[16] __attribute__((aligned(64))) = {0};
  float denoise_linear_2_y_sum_12[16] __attribute__((aligned(64))) = {0};
  float denoise_linear_2_y_sum_18[28] __attribute__((aligned(64))) = {0};
  for (int64_t piece = begin; piece < end; piece++) {
    for (int64_t i_0 = 0; i_0 < 16; i_0++) {
      float denoise_linear_y_sum_3[16] __attribute__((aligned(64)));
      for (int64_t o_2 = 0; o_2 < 16; o_2++) denoise_linear_y_sum_3[o_2] = 0.0f;
      for (int64_t r_1 = 0; r_1 < 28; r_1++) {
        const float t5 = walk_s_4[28 * i_0 + r_1];
        #pragma omp simd
        for (int64_t o_2 = 0; o_2 < 16; o_2++) {
          denoise_linear_y_sum_3[o_2] += (t5 * denoise_linear_w_6[16 * r_1 + o_2]);
        }
      }
      #pragma omp simd
      for (int64_t o_2 = 0; o_2 < 16; o_2++) {
        denoise_linear_y_sum_7[o_2] = denoise_linear_y_sum_3[o_2];
      }
      #pragma omp simd
      for (int64_t i_8 = 0; i_8 < 16; i_8++) {
        const float t10 = (denoise_linear_y_sum_7[i_8] + denoise_linear_b_9[i_8]);
        const float denoise_linear_2_y_sum_11 = ((0.5f * t10) * td_erf1p_tablef((0.7071067811865476f * t10)));
        denoise_linear_2_y_sum_12[i_8] = denoise_linear_2_y_sum_11;
      }
      float denoise_linear_2_y_sum_15[28] __attribute__((aligned(64)));
      for (int64_t o_14 = 0; o_14 < 28; o_14++) denoise_linear_2_y_sum_15[o_14] = 0.0f;
      for (int64_t r_13 = 0; r_13 < 16; r_13++) {
        const float t16 = denoise_linear_2_y_sum_12[r_13];
        #pragma omp simd
        for (int64_t o_14 = 0; o_14 < 28; o_14++) {
          denoise_linear_2_y_sum_15[o_14] += (t16 * denoise_linear_2_w_17[28 * r_13 + o_14]);
        }
      }
      #pragma omp simd
      for (int64_t o_14 = 0; o_14 < 28; o_14++) {
        denoise_linear_2_y_sum_18[o_14] = denoise_linear_2_y_sum_15[o_14];
      }
      #pragma omp simd
      for (int64_t i_19 = 0; i_19 < 28; i_19++) {
        const float s_23 = (walk_s_4[28 * i_0 + i_19] - ((denoise_linear_2_y_sum_18[i_19] + denoise_linear_2_b_20[i_19]) / t22));
        s_24[28 * i_0 + i_19] = s_23;
      }
    }
  }
}
#line 2181 "tiny.c"

/* tests/golden/tiny.td:23: emit argmax[v](s[b,l,v])
 * text.argmax[b=2, l=8] = argmax over 28 */
#line 23 "tests/golden/tiny.td"
static void row_text_argmax(const TdCall *call, int64_t begin, int64_t end)
{
  const float *restrict walk_s_4 = (const float *)call->arg[0];
  int32_t *restrict text_argmax_5 = (int32_t *)call->arg[1];
  for (int64_t piece = begin; piece < end; piece++) {
    for (int64_t l_0 = 0; l_0 < 16; l_0++) {
      int32_t text_argmax_2 = -1;
      float best_3 = -TD_INFF;
      for (int64_t r_1 = 0; r_1 < 28; r_1++) {
        if ((walk_s_4[28 * l_0 + r_1] > best_3 || text_argmax_2 < 0)) {
          if (walk_s_4[28 * l_0 + r_1] > best_3) best_3 = walk_s_4[28 * l_0 + r_1];
          text_argmax_2 = (int32_t)(1 * r_1);
        }
      }
      if (text_argmax_2 < 0) text_argmax_2 = 0;
      text_argmax_5[l_0] = text_argmax_2;
    }
  }
}
#line 2205 "tiny.c"

/* ---- tables ---- */
static const int32_t const_0_4[] = {
  -409204629, 1573196394,
};
static const Buffer buffers_0[] = {
  {TEMP, F32, "init.matrix", 896, 3584, 0, -1, NULL, 1, {896}},
  {TEMP, F32, "init.vector", 44, 176, 3584, -1, NULL, 1, {44}},
  {STATE, F32, "params.matrix", 896, 3584, 0, 0, NULL, 1, {896}},
  {STATE, F32, "params.vector", 44, 176, 0, 1, NULL, 1, {44}},
  {CONST, I32, "sites", 2, 8, 0, -1, const_0_4, 1, {2}},
};
static const int args_0_0[] = {0, 4};
static const size_t begins_0_0[] = {0, 0};
static const int args_0_1[] = {1};
static const int args_0_2[] = {0, 4};
static const size_t begins_0_2[] = {1792, 4};
static const int args_0_3[] = {1};
static const size_t begins_0_3[] = {64};
static const int args_0_4[] = {0, 2};
static const int args_0_5[] = {1, 3};
static const Step steps_0[] = {
  {LAUNCH, 0, map_init_denoise_linear_w, 1, 2, args_0_0, begins_0_0, 0, 0, 0},
  {LAUNCH, 0, map_init_denoise_linear_b, 1, 1, args_0_1, NULL, 0, 0, 0},
  {LAUNCH, 0, map_init_denoise_linear_w, 1, 2, args_0_2, begins_0_2, 0, 0, 0},
  {LAUNCH, 0, map_init_denoise_linear_2_b, 1, 1, args_0_3, begins_0_3, 0, 0, 0},
  {LAUNCH, 0, map_init_matrix, 1, 2, args_0_4, NULL, 0, 0, 0},
  {LAUNCH, 0, map_init_vector, 1, 2, args_0_5, NULL, 0, 0, 0},
  {STOP, 0, NULL, 0, 0, NULL, NULL, 0, 0, 0}
};
static const Named outputs_0[] = {
  {NULL, 0}
};
static const Buffer buffers_1[] = {
  {INPUT, I32, "x", 16, 64, 0, -1, NULL, 2, {2, 8}},
  {STATE, F32, "params.matrix", 896, 3584, 0, 0, NULL, 1, {896}},
  {STATE, F32, "params.vector", 44, 176, 0, 1, NULL, 1, {44}},
  {TEMP, F32, "d", 448, 1792, 57344, -1, NULL, 3, {2, 8, 28}},
  {TEMP, F32, "loss", 1, 4, 62144, -1, NULL, 0, {0}},
  {TEMP, F32, "d.d", 448, 1792, 59136, -1, NULL, 3, {2, 8, 28}},
  {TEMP, F32, "grad.vector", 44, 176, 61952, -1, NULL, 1, {44}},
  {TEMP, F32, "grad.matrix", 896, 3584, 57344, -1, NULL, 1, {896}},
  {TEMP, F32, "d.denoise.linear.y", 256, 1024, 60928, -1, NULL, 3, {2, 8, 16}},
  {STATE, F32, "adam.m.matrix", 896, 3584, 0, 2, NULL, 1, {896}},
  {STATE, F32, "adam.v.matrix", 896, 3584, 0, 3, NULL, 1, {896}},
  {TEMP, F32, "lr", 1, 4, 0, -1, NULL, 0, {0}},
  {TEMP, F32, "adam.c1", 1, 4, 64, -1, NULL, 0, {0}},
  {TEMP, F32, "adam.c2", 1, 4, 128, -1, NULL, 0, {0}},
  {STATE, F32, "adam.m.vector", 44, 176, 0, 4, NULL, 1, {44}},
  {STATE, F32, "adam.v.vector", 44, 176, 0, 5, NULL, 1, {44}},
  {TEMP, F32, "d.denoise.linear_2.w", 7168, 28672, 0, -1, NULL, 3, {16, 16, 28}},
  {TEMP, F32, "d.denoise.linear.w", 7168, 28672, 28672, -1, NULL, 3, {16, 28, 16}},
};
static const int args_1_0[] = {16, 17, 0, 1, 2, 3, 5, 8};
static const int args_1_1[] = {3, 4, 5, 6, 8};
static const int args_1_2[] = {16, 7};
static const size_t begins_1_2[] = {0, 1792};
static const int args_1_3[] = {17, 7};
static const int args_1_4[] = {11};
static const int args_1_5[] = {9, 7, 10, 12, 13, 1};
static const int args_1_6[] = {14, 6, 15, 2, 12, 13};
static const Step steps_1[] = {
  {LAUNCH, 0, column_e, 16, 8, args_1_0, NULL, 0, 0, 0},
  {LAUNCH, 0, row_loss_mean, 1, 5, args_1_1, NULL, 0, 0, 0},
  {LAUNCH, 0, row_d_denoise_linear_2_w, 1, 2, args_1_2, begins_1_2, 0, 0, 0},
  {LAUNCH, 0, row_d_denoise_linear_w, 1, 2, args_1_3, NULL, 0, 0, 0},
  {LAUNCH, 0, map_lr, 1, 1, args_1_4, NULL, 0, 0, 0},
  {LAUNCH, 0, map_adam_m2, 1, 6, args_1_5, NULL, 0, 0, 0},
  {LAUNCH, 0, map_adam_2_m2, 1, 6, args_1_6, NULL, 0, 0, 0},
  {STOP, 0, NULL, 0, 0, NULL, NULL, 0, 0, 0}
};
static const Named outputs_1[] = {
  {"loss", 4},
  {"lr", 11},
  {NULL, 0}
};
static const Buffer buffers_2[] = {
  {INPUT, I32, "x", 16, 64, 0, -1, NULL, 2, {2, 8}},
  {STATE, F32, "params.matrix", 896, 3584, 0, 0, NULL, 1, {896}},
  {STATE, F32, "params.vector", 44, 176, 0, 1, NULL, 1, {44}},
  {TEMP, F32, "e", 448, 1792, 0, -1, NULL, 3, {2, 8, 28}},
  {TEMP, F32, "denoise.linear_2.y.sum", 448, 1792, 1792, -1, NULL, 3, {2, 8, 28}},
  {TEMP, F32, "loss", 1, 4, 3584, -1, NULL, 0, {0}},
};
static const int args_2_0[] = {3, 0, 1, 2, 4};
static const int args_2_1[] = {4, 2, 3, 5};
static const size_t begins_2_1[] = {0, 64, 0, 0};
static const Step steps_2[] = {
  {LAUNCH, 0, row_e, 1, 5, args_2_0, NULL, 0, 0, 0},
  {LAUNCH, 0, row_loss_mean_1, 1, 4, args_2_1, begins_2_1, 0, 0, 0},
  {STOP, 0, NULL, 0, 0, NULL, NULL, 0, 0, 0}
};
static const Named outputs_2[] = {
  {"loss", 5},
  {NULL, 0}
};
static const Buffer buffers_3[] = {
  {INPUT, I32, "steps", 1, 4, 0, -1, NULL, 0, {0}},
  {STATE, F32, "walk.s", 448, 1792, 0, 6, NULL, 3, {2, 8, 28}},
};
static const int args_3_0[] = {1};
static const Step steps_3[] = {
  {LAUNCH, 0, map_s, 1, 1, args_3_0, NULL, 0, 0, 0},
  {STOP, 0, NULL, 0, 0, NULL, NULL, 0, 0, 0}
};
static const Named outputs_3[] = {
  {NULL, 0}
};
static const Buffer buffers_4[] = {
  {INPUT, I32, "steps", 1, 4, 0, -1, NULL, 0, {0}},
  {STATE, F32, "walk.s", 448, 1792, 0, 6, NULL, 3, {2, 8, 28}},
  {INPUT, I32, "t", 1, 4, 0, -1, NULL, 0, {0}},
  {STATE, F32, "params.matrix", 896, 3584, 0, 0, NULL, 1, {896}},
  {STATE, F32, "params.vector", 44, 176, 0, 1, NULL, 1, {44}},
};
static const int args_4_0[] = {1, 3, 4, 2};
static const Step steps_4[] = {
  {LAUNCH, 0, row_denoise_linear_y_sum, 1, 4, args_4_0, NULL, 0, 0, 0},
  {STOP, 0, NULL, 0, 0, NULL, NULL, 0, 0, 0}
};
static const Named outputs_4[] = {
  {NULL, 0}
};
static const Buffer buffers_5[] = {
  {INPUT, I32, "steps", 1, 4, 0, -1, NULL, 0, {0}},
  {STATE, F32, "walk.s", 448, 1792, 0, 6, NULL, 3, {2, 8, 28}},
  {TEMP, I32, "text.argmax", 16, 64, 0, -1, NULL, 2, {2, 8}},
};
static const int args_5_0[] = {1, 2};
static const Step steps_5[] = {
  {LAUNCH, 0, row_text_argmax, 1, 2, args_5_0, NULL, 0, 0, 0},
  {STOP, 0, NULL, 0, 0, NULL, NULL, 0, 0, 0}
};
static const Named outputs_5[] = {
  {"text", 2},
  {NULL, 0}
};
static const Entry entries[] = {
  {"init", buffers_0, 5, steps_0, outputs_0, 3776},
  {"train", buffers_1, 18, steps_1, outputs_1, 62208},
  {"eval", buffers_2, 6, steps_2, outputs_2, 3648},
  {"sample.walk.init", buffers_3, 2, steps_3, outputs_3, 0},
  {"sample.walk.step", buffers_4, 5, steps_4, outputs_4, 0},
  {"sample.walk.emit", buffers_5, 3, steps_5, outputs_5, 64},
  {NULL, NULL, 0, NULL, NULL, 0}
};
static const State states[] = {
  {"params.matrix", F32, 896, 4},
  {"params.vector", F32, 44, 4},
  {"adam.m.matrix", F32, 896, 4},
  {"adam.v.matrix", F32, 896, 4},
  {"adam.m.vector", F32, 44, 4},
  {"adam.v.vector", F32, 44, 4},
  {"walk.s", F32, 448, 4},
  {NULL, F32, 0, 0}
};
static const Tensor tensors[] = {
  {"denoise.linear.w", 0, 0, 2, {28, 16}},
  {"denoise.linear.b", 1, 0, 1, {16}},
  {"denoise.linear_2.w", 0, 448, 2, {16, 28}},
  {"denoise.linear_2.b", 1, 16, 1, {28}},
  {NULL, 0, 0, 0, {0}}
};
enum { N_ENTRIES = 6, N_STATES = 7, N_TENSORS = 4, MOST_ARGS = 8 };
static const size_t scratch_bytes = 64;

/* ---- the driver ---- */
struct tiny_Program {
  char **state;
  char ***buffer;                 /* [entry][buffer] */
  char *ran;                      /* [entry]: before, so that what follows from constants is there */
  char *arena;                    /* shared by the entries: nothing in it outlives a run but outputs */
  int threads;
  pthread_t *thread;
  char **scratch;
  uint64_t launches;
  /* the job at hand */
  pthread_mutex_t lock;
  pthread_cond_t begin, done;
  unsigned long job;
  int busy, quit;
  Kernel *kernel;
  TdCall call;
  int64_t pieces, next;
};

static void *zeroed(size_t bytes) {
  void *m = aligned_alloc(64, (bytes + 127) / 64 * 64);
  if (m) memset(m, 0, (bytes + 127) / 64 * 64);
  return m;
}

static void run_pieces(tiny_Program *p, int thread) {
  TdCall call = p->call;
  call.scratch = p->scratch[thread];
  int64_t share = p->pieces / (8 * (int64_t)p->threads) + 1, at;
  while ((at = __atomic_fetch_add(&p->next, share, __ATOMIC_RELAXED)) < p->pieces)
    p->kernel(&call, at, at + share < p->pieces ? at + share : p->pieces);
}

typedef struct Worker { tiny_Program *p; int thread; } Worker;

static void *work(void *ctx) {
  Worker w = *(Worker *)ctx;
  tiny_Program *p = w.p;
  unsigned long seen = 0;
  free(ctx);
  pthread_mutex_lock(&p->lock);
  for (;;) {
    while (p->job == seen && !p->quit) pthread_cond_wait(&p->begin, &p->lock);
    if (p->quit) break;
    seen = p->job;
    pthread_mutex_unlock(&p->lock);
    run_pieces(p, w.thread);
    pthread_mutex_lock(&p->lock);
    if (--p->busy == 0) pthread_cond_signal(&p->done);
  }
  pthread_mutex_unlock(&p->lock);
  return NULL;
}

static void launch(tiny_Program *p, const Step *s, char *const *buffer, const int64_t *ix, const TdControl *control) {
  char *arg[MOST_ARGS];
  for (int i = 0; i < s->nargs; i++) arg[i] = buffer[s->args[i]] + (s->begins ? s->begins[i] : 0);
  p->call = (TdCall){arg, ix, p->scratch[0], control, ++p->launches};
  if (p->threads == 1 || s->pieces == 1) {
    s->kernel(&p->call, 0, s->pieces);
    return;
  }
  pthread_mutex_lock(&p->lock);
  p->kernel = s->kernel;
  p->pieces = s->pieces;
  p->next = 0;
  p->busy = p->threads - 1;
  p->job++;
  pthread_cond_broadcast(&p->begin);
  pthread_mutex_unlock(&p->lock);
  run_pieces(p, 0);
  pthread_mutex_lock(&p->lock);
  while (p->busy > 0) pthread_cond_wait(&p->done, &p->lock);
  pthread_mutex_unlock(&p->lock);
}

static int find_entry(const char *name) {
  for (int i = 0; i < N_ENTRIES; i++)
    if (strcmp(entries[i].name, name) == 0) return i;
  return -1;
}

static int run_entry(tiny_Program *p, const char *name, uint64_t seed, int64_t step, int again) {
  int e = find_entry(name), depth = 0;
  if (e < 0) return -1;
  TdControl control = {seed, step};
  int64_t ix[MAX_LOOPS] = {0}, left[MAX_LOOPS];
  int holds = again ? 2 : p->ran[e]; /* of what is kept */
  p->ran[e] = 1;
  const Step *top[MAX_LOOPS];
  for (const Step *s = entries[e].steps; s->kind != STOP; s++) {
    if (s->kind == LAUNCH && s->once && s->once <= holds) {
      continue;
    } else if (s->kind == LAUNCH) {
      launch(p, s, p->buffer[e], ix, &control);
    } else if (s->kind == LOOP && s->count == 0) {
      for (int open = 1; open > 0;) {
        s++;
        open += s->kind == LOOP ? 1 : s->kind == END ? -1 : 0;
      }
    } else if (s->kind == LOOP) {
      ix[s->slot] = s->reverse ? s->count - 1 : 0;
      left[depth] = s->count;
      top[depth++] = s;
    } else if (--left[depth - 1] > 0) {
      s = top[depth - 1];
      ix[s->slot] += s->reverse ? -1 : 1;
    } else {
      depth--;
    }
  }
  return 0;
}

int tiny_run(tiny_Program *p, const char *name, uint64_t seed, int64_t step) {
  return run_entry(p, name, seed, step, 0);
}

int tiny_run_again(tiny_Program *p, const char *name, uint64_t seed, int64_t step) {
  return run_entry(p, name, seed, step, 1);
}

static int allocate(tiny_Program *p) {
  size_t arena = 64;
  p->state = zeroed((N_STATES + 1) * sizeof *p->state);
  p->buffer = zeroed((N_ENTRIES + 1) * sizeof *p->buffer);
  p->ran = zeroed(N_ENTRIES + 1);
  p->scratch = zeroed((size_t)p->threads * sizeof *p->scratch);
  p->thread = zeroed((size_t)p->threads * sizeof *p->thread);
  for (int e = 0; e < N_ENTRIES; e++)
    if (entries[e].arena > arena) arena = entries[e].arena;
  p->arena = zeroed(arena);
  if (!p->state || !p->buffer || !p->ran || !p->scratch || !p->thread || !p->arena) return 0;
  for (int i = 0; i < N_STATES; i++)
    if (!(p->state[i] = zeroed((size_t)states[i].count * states[i].size))) return 0;
  for (int i = 0; i < p->threads; i++)
    if (!(p->scratch[i] = zeroed(scratch_bytes))) return 0;
  for (int e = 0; e < N_ENTRIES; e++) {
    if (!(p->buffer[e] = zeroed((size_t)(entries[e].nbuffers + 1) * sizeof **p->buffer))) return 0;
    for (int i = 0; i < entries[e].nbuffers; i++) {
      const Buffer *b = &entries[e].buffers[i];
      switch (b->kind) {
      case TEMP: p->buffer[e][i] = p->arena + b->offset; break;
      case STATE: p->buffer[e][i] = p->state[b->state] + b->offset; break;
      case KEPT:
      case INPUT: p->buffer[e][i] = zeroed(b->bytes); break;
      case CONST: p->buffer[e][i] = (char *)(uintptr_t)b->data; break;
      }
      if (!p->buffer[e][i]) return 0;
    }
  }
  return 1;
}

void tiny_destroy(tiny_Program *p) {
  if (!p) return;
  pthread_mutex_lock(&p->lock);
  p->quit = 1;
  pthread_cond_broadcast(&p->begin);
  pthread_mutex_unlock(&p->lock);
  for (int i = 1; i < p->threads && p->thread; i++) pthread_join(p->thread[i], NULL);
  for (int e = 0; e < N_ENTRIES && p->buffer && p->buffer[e]; e++) {
    for (int i = 0; i < entries[e].nbuffers; i++)
      if (entries[e].buffers[i].kind == INPUT || entries[e].buffers[i].kind == KEPT) free(p->buffer[e][i]);
    free(p->buffer[e]);
  }
  for (int i = 0; i < N_STATES && p->state; i++) free(p->state[i]);
  for (int i = 0; p->scratch && p->scratch[i]; i++) free(p->scratch[i]);
  pthread_mutex_destroy(&p->lock);
  pthread_cond_destroy(&p->begin);
  pthread_cond_destroy(&p->done);
  free(p->state);
  free(p->buffer);
  free(p->ran);
  free(p->scratch);
  free(p->thread);
  free(p->arena);
  free(p);
}

tiny_Program *tiny_create(int threads) {
  tiny_Program *p = zeroed(sizeof *p);
  if (!p) return NULL;
  int wanted = threads < 1 ? 1 : threads;
  p->threads = wanted;
  pthread_mutex_init(&p->lock, NULL);
  pthread_cond_init(&p->begin, NULL);
  pthread_cond_init(&p->done, NULL);
  int fine = allocate(p);
  p->threads = 1;                 /* those that run so far */
  for (int i = 1; i < wanted && fine; i++) {
    Worker *w = malloc(sizeof *w);
    fine = w != NULL;
    if (!fine) break;
    *w = (Worker){p, i};
    fine = pthread_create(&p->thread[i], NULL, work, w) == 0;
    if (fine) p->threads++;
    else free(w);
  }
  if (fine) return p;
  tiny_destroy(p);
  return NULL;
}

static void *found(char *at, int64_t n, int64_t *count) {
  if (count) *count = n;
  return at;
}

void *tiny_input(tiny_Program *p, const char *entry, const char *name, int64_t *count) {
  int e = find_entry(entry);
  for (int i = 0; e >= 0 && i < entries[e].nbuffers; i++) {
    const Buffer *b = &entries[e].buffers[i];
    if (b->kind == INPUT && strcmp(b->name, name) == 0) return found(p->buffer[e][i], b->count, count);
  }
  return NULL;
}

const void *tiny_output(tiny_Program *p, const char *entry, const char *name, int64_t *count) {
  int e = find_entry(entry);
  for (const Named *o = e >= 0 ? entries[e].outputs : NULL; o && o->name; o++)
    if (strcmp(o->name, name) == 0) return found(p->buffer[e][o->buffer], entries[e].buffers[o->buffer].count, count);
  return NULL;
}

void *tiny_state(tiny_Program *p, const char *name, int64_t *count) {
  for (int i = 0; i < N_STATES; i++)
    if (strcmp(states[i].name, name) == 0) return found(p->state[i], states[i].count, count);
  return NULL;
}

void *tiny_tensor(tiny_Program *p, const char *name, int64_t *count) {
  for (int i = 0; i < N_TENSORS; i++) {
    int64_t n = 1;
    if (strcmp(tensors[i].name, name) != 0) continue;
    for (int d = 0; d < tensors[i].rank; d++) n *= tensors[i].shape[d];
    return found(p->state[tensors[i].state] + (size_t)tensors[i].offset * states[tensors[i].state].size, n, count);
  }
  return NULL;
}

int tiny_tensor_count(void) { return N_TENSORS; }

const char *tiny_tensor_name(int i) { return i >= 0 && i < N_TENSORS ? tensors[i].name : NULL; }
