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
