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
