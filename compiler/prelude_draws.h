/* The prelude's second part: runs of random draws, for loops in which the
 * counter goes up by one. Philox needs 64-bit products of 32-bit words, which
 * compilers do not find in scalar loops; here a vector holds the words of every
 * second lane, 64 bits apart, and what stands in the upper halves is never
 * looked at. The values are those of td_uniformf and td_normalf. */
#ifndef TD_PRELUDE_DRAWS
#define TD_PRELUDE_DRAWS

#ifndef TD_PRELUDE
#include "compiler/prelude.h"
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

enum { TD_DRAWS = 256 };         /* of a block of runs */

/* The first two words for counters counter .. counter + n - 1, n <= TD_DRAWS;
 * up to a vector more is written. second: may be NULL. */
TD_SHARED void td_philox_run(uint32_t *first, uint32_t *second, const TdControl *ctl, uint32_t site,
                             int64_t counter, int64_t n);
#if TD_DEFINES(TD_PART_DRAWS)
TD_SHARED void td_philox_run(uint32_t *first, uint32_t *second, const TdControl *ctl, uint32_t site,
                             int64_t counter, int64_t n) {
  const TdWords none = { 0 }, m0 = none + 0xD2511F53u, m1 = none + 0xCD9E8D57u;
  const uint32_t key0 = (uint32_t)ctl->seed ^ site, key1 = (uint32_t)(ctl->seed >> 32);
  const uint64_t step_low = (uint32_t)ctl->step, step_high = (uint64_t)ctl->step >> 32;
  TdWords lane = none;
  for (int i = 0; i < TD_LANES / 2; i++) lane[i] = 2 * (uint64_t)i;
  for (int64_t i = 0; i < n; i += TD_LANES) {
    TdWords a0 = lane + (uint64_t)(counter + i), b0 = a0 + 1;        /* even lanes, odd lanes */
    TdWords a1 = a0 >> 32, b1 = b0 >> 32;
    TdWords a2 = none + step_low, b2 = a2, a3 = none + step_high, b3 = a3;
    uint32_t k0 = key0, k1 = key1;
#pragma GCC unroll 10
    for (int round = 0; round < 10; round++) {
      TdWords p = td_multiply_words(a0, m0), q = td_multiply_words(a2, m1);
      TdWords r = td_multiply_words(b0, m0), s = td_multiply_words(b2, m1);
      a0 = (q >> 32) ^ a1 ^ (uint64_t)k0;
      b0 = (s >> 32) ^ b1 ^ (uint64_t)k0;
      a2 = (p >> 32) ^ a3 ^ (uint64_t)k1;
      b2 = (r >> 32) ^ b3 ^ (uint64_t)k1;
      a1 = q;
      b1 = s;
      a3 = p;
      b3 = r;
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
    *(TdWordsMem *)(first + i) = (a0 & 0xffffffffu) | b0 << 32;
    if (second) *(TdWordsMem *)(second + i) = (a1 & 0xffffffffu) | b1 << 32;
  }
}
#endif

/* out[i] = uniform draw at counter + i */
TD_SHARED void td_uniform_run(float *out, const TdControl *ctl, int64_t site, int64_t counter,
                              int64_t n);
#if TD_DEFINES(TD_PART_DRAWS)
TD_SHARED void td_uniform_run(float *out, const TdControl *ctl, int64_t site, int64_t counter,
                              int64_t n) {
  uint32_t first[TD_DRAWS + TD_LANES] __attribute__((aligned(64)));
  for (int64_t start = 0; start < n; start += TD_DRAWS) {
    const int64_t count = n - start < TD_DRAWS ? n - start : TD_DRAWS;
    td_philox_run(first, NULL, ctl, (uint32_t)site, counter + start, count);
#pragma omp simd
    for (int64_t i = 0; i < count; i++) out[start + i] = (float)(int32_t)(first[i] >> 8) * 0x1p-24f;
  }
}
#endif

/* out[i] = normal draw at counter + i */
TD_SHARED void td_normal_run(float *out, const TdControl *ctl, int64_t site, int64_t counter,
                             int64_t n);
#if TD_DEFINES(TD_PART_DRAWS)
TD_SHARED void td_normal_run(float *out, const TdControl *ctl, int64_t site, int64_t counter,
                             int64_t n) {
  uint32_t first[TD_DRAWS + TD_LANES] __attribute__((aligned(64)));
  uint32_t second[TD_DRAWS + TD_LANES] __attribute__((aligned(64)));
  for (int64_t start = 0; start < n; start += TD_DRAWS) {
    const int64_t count = n - start < TD_DRAWS ? n - start : TD_DRAWS;
    td_philox_run(first, second, ctl, (uint32_t)site, counter + start, count);
#pragma omp simd
    for (int64_t i = 0; i < count; i++) out[start + i] = td_normal_of(first[i], second[i]);
  }
}
#endif

#endif
