/* The prelude of CUDA: what every generated unit begins with. Text only: NVRTC compiles
 * it as C++ without any header. Inside: the types, the parameters' contract of
 * compiler/program/program.h, primitives (built-in functions and inline PTX by one name
 * each), the scalar functions (compiler/emit/scalar.h, whose text stands here when it is
 * embedded), and the reductions of warps and blocks.
 *
 * Everything but the primitives is C as well. Where TD_EMULATED is defined they are left out,
 * and who defines it brings functions of the same names and meaning. Where TD_TYPES is defined
 * <stdint.h> is there.
 *
 * What tdc generates, this text in it included, may be used under any terms. */
#ifndef TD_PRELUDE
#define TD_PRELUDE

#ifndef TD_EMULATED
#ifndef TD_TYPES
typedef signed char int8_t;
typedef unsigned char uint8_t;
typedef short int16_t;
typedef unsigned short uint16_t;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef long long int64_t;
typedef unsigned long long uint64_t;
#define INT32_MAX 2147483647
#endif

typedef struct TdControl { uint64_t seed; int64_t step; } TdControl;

/* ---- primitives ------------------------------------------------------------------------
 * Grids and blocks have one dimension. Shuffles and warp barriers are for whole warps. */
#define TD_KERNEL(threads, resident)                                                      \
  extern "C" __global__ void __launch_bounds__(threads, resident)
#define TD_DEVICE static __device__ __forceinline__
TD_DEVICE int td_thread(void) { return (int)threadIdx.x; }
TD_DEVICE int64_t td_block(void) { return (int64_t)blockIdx.x; }
TD_DEVICE int64_t td_blocks(void) { return (int64_t)gridDim.x; }
TD_DEVICE void td_barrier(void) { __syncthreads(); }
TD_DEVICE void td_warp_barrier(void) { __syncwarp(); }
TD_DEVICE unsigned char *td_shared_memory(void) {
  extern __shared__ __align__(16) unsigned char td_shared[];
  return td_shared;
}
TD_DEVICE float td_shuffle_xor(float x, int mask) { return __shfl_xor_sync(0xffffffffu, x, mask); }
TD_DEVICE int td_shuffle_xor_int(int x, int mask) { return __shfl_xor_sync(0xffffffffu, x, mask); }
TD_DEVICE int64_t td_shuffle_xor_wide(int64_t x, int mask) {
  return __shfl_xor_sync(0xffffffffu, x, mask);
}
/* Which lanes say so, by bits; how many bits are set. */
TD_DEVICE uint32_t td_ballot(bool here) { return __ballot_sync(0xffffffffu, here); }
TD_DEVICE int td_bit_count(uint32_t bits) { return __popc(bits); }
TD_DEVICE float td_float(uint32_t u) { return __uint_as_float(u); }
TD_DEVICE uint32_t td_bits(float x) { return __float_as_uint(x); }
TD_DEVICE float td_fma(float a, float b, float c) { return __fmaf_rn(a, b, c); }
/* Four 8 x 8 matrices of 16-bit numbers from shared memory, by a warp: lane l gives the
 * address of row l % 8 of matrix l / 8, and gets in r[i] the numbers 2 (l % 4) and the next
 * of row l / 4 of matrix i; turned: of column l / 4, in rows 2 (l % 4) and the next. */
TD_DEVICE void td_ldmatrix4(uint32_t *r, const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"((uint32_t)__cvta_generic_to_shared(row)) : "memory");
}
TD_DEVICE void td_ldmatrix4_turned(uint32_t *r, const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"((uint32_t)__cvta_generic_to_shared(row)) : "memory");
}
/* c += a b, by a warp: 16 x 16 times 16 x 8 in bf16, sums in f32. With g = l / 4 and
 * t = 2 (l % 4), a pair of numbers a register: lane l has of a rows g, g + 8, g, g + 8 at
 * columns t, t, t + 8, t + 8; of b column g at rows t, t + 8; of c row g, then row g + 8 at
 * columns t, t + 1. */
TD_DEVICE void td_mma_bf16(float *c, const uint32_t *a, const uint32_t *b) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
               "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
/* 16 bytes of global memory into shared memory, both at multiples of 16, while the thread goes
 * on. Copies since the last td_commit are a group. After td_wait(n), n a constant, all of the
 * thread's groups but its latest n are there: for itself; for others behind a barrier. */
TD_DEVICE void td_copy_async(void *to, const void *from) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;"
               : : "r"((uint32_t)__cvta_generic_to_shared(to)),
                   "l"(from) : "memory");
}
TD_DEVICE void td_commit(void) { asm volatile("cp.async.commit_group;" : : : "memory"); }
#define td_wait(n) asm volatile("cp.async.wait_group %0;" : : "n"(n) : "memory")
#define TD_ALIGNED __align__(16)
#endif

#define TD_INLINE TD_DEVICE
#define TD_INFF td_float(0x7f800000u)
#define TD_NANF td_float(0x7fc00000u)

#include "compiler/emit/scalar.h"

/* ---- bf16: rounded to the nearest, to even between two; a NaN stays one ------------------- */
TD_INLINE float td_wide(uint16_t x) { return td_float((uint32_t)x << 16); }
#ifndef TD_EMULATED
TD_INLINE uint16_t td_narrow(float x) {
  uint16_t y;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y) : "f"(x));
  return y;
}
TD_INLINE uint32_t td_narrow_pair(float low, float high) {
  uint32_t y;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(high), "f"(low));
  return y;
}
#else
TD_INLINE uint16_t td_narrow(float x) {
  const uint32_t u = td_bits(x);
  return (uint16_t)(x == x ? (u + 0x7fffu + (u >> 16 & 1u)) >> 16 : 0x7fffu);
}
TD_INLINE uint32_t td_narrow_pair(float low, float high) {
  return td_narrow(low) | (uint32_t)td_narrow(high) << 16;
}
#endif
/* Eight of them, 16 bytes side by side. */
typedef struct TD_ALIGNED td_chunk { uint32_t at[4]; } td_chunk;
typedef struct TD_ALIGNED td_quad { float at[4]; } td_quad;
TD_INLINE td_chunk td_chunk_of(uint64_t low, uint64_t high) {
  const td_chunk c = {{(uint32_t)low, (uint32_t)(low >> 32), (uint32_t)high,
                       (uint32_t)(high >> 32)}};
  return c;
}
TD_INLINE td_chunk td_narrow_chunk(const float *x) {
  const td_quad a = *(const td_quad *)x, b = *(const td_quad *)(x + 4);
  const td_chunk c = {{td_narrow_pair(a.at[0], a.at[1]), td_narrow_pair(a.at[2], a.at[3]),
                       td_narrow_pair(b.at[0], b.at[1]), td_narrow_pair(b.at[2], b.at[3])}};
  return c;
}

/* Four of them and two of f32, 8 bytes side by side. */
TD_INLINE td_quad td_wide_quad(uint64_t x) {
  const td_quad q = {{td_wide((uint16_t)x), td_wide((uint16_t)(x >> 16)),
                      td_wide((uint16_t)(x >> 32)), td_wide((uint16_t)(x >> 48))}};
  return q;
}
TD_INLINE uint64_t td_narrow_quad(td_quad x) {
  return td_narrow_pair(x.at[0], x.at[1]) | (uint64_t)td_narrow_pair(x.at[2], x.at[3]) << 32;
}
TD_INLINE uint64_t td_pair_bits(float low, float high) {
  return td_bits(low) | (uint64_t)td_bits(high) << 32;
}

/* ---- integers: for whichever type the arguments' common one is ----------------------------
 * The widths of both must be known before: sizeof does not evaluate. */
#define TD_PICK(f, t, call)                                                               \
  (sizeof(t) == 4 ? (int64_t)f##32 call : (int64_t)f##64 call)
#define td_imin(a, b) TD_PICK(td_imin, (a) + (b), (a, b))
#define td_imax(a, b) TD_PICK(td_imax, (a) + (b), (a, b))
#define td_iabs(a) TD_PICK(td_iabs, (a) + 0, (a))
#define td_idiv(a, b) TD_PICK(td_idiv, (a) + (b), (a, b))
#define td_imod(a, b) TD_PICK(td_imod, (a) + (b), (a, b))

/* *sum += x where sums are long: what the rounding of a sum adds too much, *over, is taken
 * from the next term. Infinite sums and NaN stay what they are. */
TD_INLINE void td_add_long(float *sum, float *over, float x) {
  const float term = x - *over, next = *sum + term, more = (next - *sum) - term;
  *over = more - more == 0.0f ? more : 0.0f;
  *sum = next;
}

/* ---- reductions -------------------------------------------------------------------------
 * Of one value a thread, in the same order whatever runs when; every thread gets the
 * result. td_warp_*: over a warp, as a butterfly in which both sides of a pair combine
 * the lower lane's value with the upper lane's. td_block_*: over a block of whole warps,
 * whose results are combined in order; `room` is 8 bytes a warp (16 for argmax) that
 * nothing else uses until the call is over, for all threads. */
enum { TD_WARP = 32 };
TD_INLINE int td_add_int(int a, int b) { return a + b; }
TD_INLINE int td_multiply_int(int a, int b) { return a * b; }
TD_INLINE int td_min_int(int a, int b) { return a <= b ? a : b; }
TD_INLINE int td_max_int(int a, int b) { return a >= b ? a : b; }
TD_INLINE float td_add(float a, float b) { return a + b; }
TD_INLINE float td_multiply(float a, float b) { return a * b; }
#define TD_REDUCTION(name, T, shuffle, combine)                                           \
  TD_INLINE T td_warp_##name(T x) {                                                       \
    for (int mask = 1; mask < TD_WARP; mask *= 2) {                                       \
      const T other = shuffle(x, mask);                                                   \
      x = td_thread() & mask ? combine(other, x) : combine(x, other);                     \
    }                                                                                     \
    return x;                                                                             \
  }                                                                                       \
  TD_INLINE T td_block_##name(T x, unsigned char *room, int warps) {                      \
    T *all = (T *)room;                                                                   \
    x = td_warp_##name(x);                                                                \
    if (td_thread() % TD_WARP == 0) all[td_thread() / TD_WARP] = x;                       \
    td_barrier();                                                                         \
    x = all[0];                                                                           \
    for (int i = 1; i < warps; i++) x = combine(x, all[i]);                               \
    td_barrier();                                                                         \
    return x;                                                                             \
  }
TD_REDUCTION(sum, float, td_shuffle_xor, td_add)
TD_REDUCTION(prod, float, td_shuffle_xor, td_multiply)
TD_REDUCTION(min, float, td_shuffle_xor, td_minf)
TD_REDUCTION(max, float, td_shuffle_xor, td_maxf)
TD_REDUCTION(sum_int, int, td_shuffle_xor_int, td_add_int)
TD_REDUCTION(prod_int, int, td_shuffle_xor_int, td_multiply_int)
TD_REDUCTION(min_int, int, td_shuffle_xor_int, td_min_int)
TD_REDUCTION(max_int, int, td_shuffle_xor_int, td_max_int)

/* The place of the largest value; of equals the first, that is the least; below 0: no value. */
#define TD_ARGMAX(name, T, shuffle)                                                       \
  TD_INLINE void td_first_##name(T *best, int *at, T other, int place) {                  \
    const bool wins = place >= 0 && (*at < 0 || other > *best                             \
                                     || (!(*best > other) && place < *at));               \
    *best = wins ? other : *best;                                                         \
    *at = wins ? place : *at;                                                             \
  }                                                                                       \
  TD_INLINE int td_warp_##name(T best, int at) {                                          \
    for (int mask = 1; mask < TD_WARP; mask *= 2) {                                       \
      const T other = shuffle(best, mask);                                                \
      const int place = td_shuffle_xor_int(at, mask);                                     \
      td_first_##name(&best, &at, other, place);                                          \
    }                                                                                     \
    return at;                                                                            \
  }                                                                                       \
  TD_INLINE int td_block_##name(T best, int at, unsigned char *room, int warps) {         \
    T *values = (T *)room;                                                                \
    int *places = (int *)(room + 8 * warps);                                              \
    for (int mask = 1; mask < TD_WARP; mask *= 2) {                                       \
      const T other = shuffle(best, mask);                                                \
      const int place = td_shuffle_xor_int(at, mask);                                     \
      td_first_##name(&best, &at, other, place);                                          \
    }                                                                                     \
    if (td_thread() % TD_WARP == 0) {                                                     \
      values[td_thread() / TD_WARP] = best;                                               \
      places[td_thread() / TD_WARP] = at;                                                 \
    }                                                                                     \
    td_barrier();                                                                         \
    best = values[0];                                                                     \
    at = places[0];                                                                       \
    for (int i = 1; i < warps; i++) td_first_##name(&best, &at, values[i], places[i]);    \
    td_barrier();                                                                         \
    return at;                                                                            \
  }
TD_ARGMAX(argmax, float, td_shuffle_xor)
TD_ARGMAX(argmax_wide, int64_t, td_shuffle_xor_wide)

#endif
