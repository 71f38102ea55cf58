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
