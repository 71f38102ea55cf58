/* The prelude's third part: matrix products whose factors are rounded to bf16
 * (the upper half of a float: 8 bits of exponent, 7 of fraction) and whose sums
 * are floats. Programs have it that say `precision { act bf16 }` or `product bf16`.
 *
 * A tile function multiplies 32 rows of A by panels of 32 columns of B, 32 steps
 * of k at a time. There are three bodies of one meaning, chosen by what the
 * processor does fastest: tiles of AMX, dot products of pairs (vdpbf16ps), and
 * multiply-adds of floats made of each half of a pair. All read the same packed operands:
 *
 *   A   [rows / 16][k / 32][16 rows][32 of k]         blocks of 1 KB
 *   B   [columns / 32][k / 2][32 columns][2 of k]     pairs of k side by side
 *
 * padded with zeros to whole blocks. The order of additions differs from body to
 * body, within one it depends on the extents alone. */
#ifndef TD_PRELUDE_NARROW
#define TD_PRELUDE_NARROW

#ifndef TD_PRELUDE
#include "compiler/cpu/prelude.h"
#endif

/* 2: AMX, 1: vdpbf16ps, 0: floats. Intel's cores take two cycles for the 32 products of a vdpbf16ps,
 * in which they add 64 products of floats where no other thread shares the core, and 32 where one
 * does (Sapphire Rapids: 138 GFLOP/s in products beside 81). AMD's Zen 4 takes as long for one as for 16
 * multiply-adds of floats: 230 GFLOP/s in a strip, of 118 in floats; compilers before GCC 13 call it Zen 3. */
#ifndef TD_NARROW_BODY
#if defined __x86_64__ && defined __AMX_BF16__ && defined __AMX_TILE__ && defined __linux__ && defined __AVX512F__
#define TD_NARROW_BODY 2
#elif defined __x86_64__ && defined __AVX512BF16__ && \
  (defined __znver3__ || defined __znver4__ || defined __znver5__)
#define TD_NARROW_BODY 1
#else
#define TD_NARROW_BODY 0
#endif
#endif
/* 1: the processor rounds 32 floats at once, and has what else comes with that: AVX-512 of halves */
#ifndef TD_NARROW_ROUNDS
#if defined __x86_64__ && defined __AVX512BF16__
#define TD_NARROW_ROUNDS 1
#else
#define TD_NARROW_ROUNDS 0
#endif
#endif

enum {
  TD_NARROW_ROWS = 16,           /* of a tile */
  TD_NARROW_DEPTH = 32,          /* of k in a tile */
  TD_NARROW_COLUMNS = 32,        /* of a panel: two tiles */
  TD_NARROW_TILE = TD_NARROW_ROWS * TD_NARROW_DEPTH
};

/* ---- numbers ------------------------------------------------------------------- */
/* to nearest, halves to even; a NaN stays one */
TD_INLINE uint32_t td_narrow_bits(float x) {
  const uint32_t u = td_bits(x), rounded = u + 0x7fffu + (u >> 16 & 1);
  return x == x ? rounded : u | 0x400000u;
}
TD_INLINE uint16_t td_narrow(float x) { return (uint16_t)(td_narrow_bits(x) >> 16); }
TD_INLINE float td_wide(uint16_t h) { return td_float((uint32_t)h << 16); }
#if TD_NARROW_ROUNDS
/* The first `count` of 32 numbers side by side, fewer than all; no other place is read or written. */
typedef uint16_t TdFew __attribute__((vector_size(64), aligned(2), may_alias));
TD_INLINE uint32_t td_first(int64_t count) { return (1u << count) - 1; }
TD_INLINE TdFew td_load_few(const uint16_t *from, uint32_t few) {
  TdFew v;
  __asm__("vmovdqu16 %1, %0%{%2%}%{z%}" : "=v"(v) : "m"(*(const TdFew *)from), "Yk"(few));
  return v;
}
TD_INLINE void td_store_few(uint16_t *to, TdFew v, uint32_t few) {
  __asm__("vmovdqu16 %1, %0%{%2%}" : "+m"(*(TdFew *)to) : "v"(v), "Yk"(few));
}
/* of 16 floats each */
TD_INLINE TdFew td_round_few(const float *from, uint32_t few) {
  TdVec low, high;
  TdFew both;
  __asm__("vmovups %1, %0%{%2%}%{z%}" : "=v"(low) : "m"(*(const TdFew *)from), "Yk"((uint16_t)few));
  __asm__("vmovups %1, %0%{%2%}%{z%}" : "=v"(high) : "m"(*(const TdFew *)(from + 16)), "Yk"((uint16_t)(few >> 16)));
  __asm__("vcvtne2ps2bf16 %1, %2, %0" : "=v"(both) : "v"(low), "v"(high));
  return both;
}
#endif

/* `count` numbers, or zeros. */
TD_INLINE void td_bring_wide(float *to, const uint16_t *from, int64_t count) {
#pragma omp simd
  for (int64_t i = 0; i < count; i++) to[i] = from ? td_wide(from[i]) : 0.0f;
}
/* The same, as they are. */
TD_INLINE void td_bring_half(uint16_t *to, const uint16_t *from, int64_t count) {
#if TD_NARROW_ROUNDS
  int64_t i = 0;
  for (; i + 32 <= count; i += 32) *(TdFew *)(to + i) = from ? *(const TdFew *)(from + i) : (TdFew){ 0 };
  if (i < count) td_store_few(to + i, from ? td_load_few(from + i, td_first(count - i)) : (TdFew){ 0 }, td_first(count - i));
#else
#pragma omp simd
  for (int64_t i = 0; i < count; i++) to[i] = from ? from[i] : (uint16_t)0;
#endif
}

/* Numbers side by side. */
TD_INLINE void td_narrow_run(uint16_t *to, const float *from, int64_t count) {
  int64_t i = 0;
#if TD_NARROW_ROUNDS
  for (; i + 32 <= count; i += 32) {
    TdVec low = td_load(from + i), high = td_load(from + i + 16);
    TdFew both;
    __asm__("vcvtne2ps2bf16 %1, %2, %0" : "=v"(both) : "v"(low), "v"(high));
    *(TdFew *)(to + i) = both;
  }
#endif
#if TD_NARROW_ROUNDS
  if (i < count) td_store_few(to + i, td_round_few(from + i, td_first(count - i)), td_first(count - i));
#else
  for (; i < count; i++) to[i] = td_narrow(from[i]);
#endif
}

/* ---- packing --------------------------------------------------------------------
 * `from` is float * or, if `half`, uint16_t *; strides count elements. */

/* Numbers side by side, or zeros, into row r of A, from step k on: k, depth and count are of
 * whole tiles. */
TD_INLINE void td_narrow_pack_run(uint16_t *to, const int half, int64_t depth, int64_t r, int64_t k,
                                  const void *from, int64_t count) {
  const int64_t steps = depth / TD_NARROW_DEPTH;
  uint16_t *place = to + (r / 16 * steps + k / TD_NARROW_DEPTH) * TD_NARROW_TILE + r % 16 * TD_NARROW_DEPTH;
  for (int64_t i = 0; i < count; i += TD_NARROW_DEPTH, place += TD_NARROW_TILE) {
    if (!from) __builtin_memset(place, 0, TD_NARROW_DEPTH * sizeof *place);
    else if (half) __builtin_memcpy(place, (const uint16_t *)from + i, TD_NARROW_DEPTH * sizeof *place);
    else td_narrow_run(place, (const float *)from + i, TD_NARROW_DEPTH);
  }
}
/* The same into rows that are whole, where these are of no tiles. */
TD_INLINE void td_narrow_row_run(uint16_t *to, const int half, const void *from, int64_t count) {
  if (half || !from) td_bring_half(to, (const uint16_t *)from, count);
  else td_narrow_run(to, (const float *)from, count);
}
/* What is behind their numbers, and behind these rows, to whole tiles. */
TD_INLINE void td_narrow_row_none(uint16_t *to, int64_t pitch, int64_t depth, int64_t rows) {
  const int64_t whole = (depth + TD_NARROW_DEPTH - 1) / TD_NARROW_DEPTH * TD_NARROW_DEPTH;
  for (int64_t r = 0; r < rows && depth < whole; r++) td_bring_half(to + r * pitch + depth, 0, whole - depth);
  for (; rows % TD_NARROW_ROWS; rows++) td_bring_half(to + rows * pitch, 0, whole);
}
/* Rows behind these, to whole tiles. */
TD_INLINE void td_narrow_pack_none(uint16_t *to, int64_t depth, int64_t rows) {
  for (; rows % TD_NARROW_ROWS; rows++) td_narrow_pack_run(to, 1, depth, rows, 0, 0, depth);
}

/* Rows are contiguous in k. */
TD_SHARED void td_narrow_pack_a(uint16_t *to, const void *from, int half, int64_t row_stride,
                                int64_t rows, int64_t depth);
/* Steps of k are contiguous in the rows. */
TD_SHARED void td_narrow_pack_a_turned(uint16_t *to, const void *from, int half, int64_t k_stride,
                                       int64_t rows, int64_t depth);
/* Steps of k are contiguous in the columns; `panel` elements from panel to panel,
 * of which each begins with k = 0, the block packed with k0. */
TD_SHARED void td_narrow_pack_b(uint16_t *to, int64_t panel, int64_t k0, const void *from, int half,
                                int64_t k_stride, int64_t columns, int64_t depth);
/* Columns are contiguous in k. */
TD_SHARED void td_narrow_pack_b_turned(uint16_t *to, int64_t panel, int64_t k0, const void *from,
                                       int half, int64_t column_stride, int64_t columns,
                                       int64_t depth);

#ifndef TD_DECLARES
/* A pair of k is a word: 16 words at once. */
typedef uint32_t TdPairs __attribute__((vector_size(64)));
typedef uint32_t TdPairsMem __attribute__((vector_size(64), aligned(2), may_alias));

/* Up to 32 numbers, contiguous in k, as 16 words; zeros behind them. */
TD_INLINE void td_pairs_along(uint32_t *word, const void *from, int half, int64_t at, int64_t count) {
  if (half) {
    const uint16_t *h = (const uint16_t *)from + at;
    if (count >= TD_NARROW_DEPTH) {
      *(TdPairsMem *)word = *(const TdPairsMem *)h;
      return;
    }
    for (int i = 0; i < 16; i++)
      word[i] = (2 * i < count ? h[2 * i] : 0u) | (2 * i + 1 < count ? (uint32_t)h[2 * i + 1] << 16 : 0u);
    return;
  }
  const float *x = (const float *)from + at;
  if (count >= TD_NARROW_DEPTH) {
#if TD_NARROW_ROUNDS
    TdVec low = td_load(x), high = td_load(x + 16);
    TdPairs both;
    __asm__("vcvtne2ps2bf16 %1, %2, %0" : "=v"(both) : "v"(low), "v"(high));
    *(TdPairsMem *)word = both;
#else
    uint16_t *to = (uint16_t *)word;
    for (int i = 0; i < TD_NARROW_DEPTH; i++) to[i] = td_narrow(x[i]);
#endif
    return;
  }
  for (int i = 0; i < 16; i++)
    word[i] = (2 * i < count ? td_narrow_bits(x[2 * i]) >> 16 : 0u) |
              (2 * i + 1 < count ? td_narrow_bits(x[2 * i + 1]) & 0xffff0000u : 0u);
}
/* 16 pairs of a number here and one there */
typedef uint16_t TdHalves __attribute__((vector_size(32)));
typedef uint16_t TdHalvesMem __attribute__((vector_size(32), aligned(2), may_alias));
TD_INLINE void td_pairs_of_halves(uint32_t *word, const uint16_t *x, const uint16_t *y) {
#if TD_NARROW_ROUNDS
  TdPairs low, high;             /* the compiler widens halves of a vector and puts these together */
  __asm__("vpmovzxwd %1, %0" : "=v"(low) : "m"(*(const TdHalvesMem *)x));
  __asm__("vpmovzxwd %1, %0" : "=v"(high) : "m"(*(const TdHalvesMem *)y));
  *(TdPairsMem *)word = low | high << 16;
#else
  *(TdPairsMem *)word = __builtin_convertvector(*(const TdHalvesMem *)x, TdPairs) |
                        __builtin_convertvector(*(const TdHalvesMem *)y, TdPairs) << 16;
#endif
}
TD_INLINE void td_pairs_of_floats(uint32_t *word, const float *x, const float *y) {
#if TD_NARROW_ROUNDS
  static const uint16_t turns[32] __attribute__((aligned(64))) = {
    0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
  };
  TdVec low = td_load(x), high = td_load(y);
  TdPairs both, turn = *(const TdPairsMem *)turns;
  __asm__("vcvtne2ps2bf16 %1, %2, %0\n\tvpermw %0, %3, %0" : "=&v"(both) : "v"(low), "v"(high), "v"(turn));
  *(TdPairsMem *)word = both;
#else
  for (int i = 0; i < 16; i++) word[i] = td_narrow_bits(x[i]) >> 16 | (td_narrow_bits(y[i]) & 0xffff0000u);
#endif
}
/* Up to 16 pairs of numbers that lie k_stride apart; `second`: there is one. */
TD_INLINE void td_pairs_across(uint32_t *word, const void *from, int half, int64_t at,
                               int64_t k_stride, int second, int64_t count) {
  const uint16_t *h = (const uint16_t *)from + at, *g = h + k_stride;
  const float *x = (const float *)from + at, *y = x + k_stride;
  if (count >= 16 && second) {
    if (half) td_pairs_of_halves(word, h, g);
    else td_pairs_of_floats(word, x, y);
    return;
  }
  for (int i = 0; i < 16; i++) {
    word[i] = i >= count ? 0u : half ? h[i] : td_narrow_bits(x[i]) >> 16;
    if (second && i < count) word[i] |= half ? (uint32_t)g[i] << 16 : td_narrow_bits(y[i]) & 0xffff0000u;
  }
}
/* word[i][j] = word[j][i] */
TD_INLINE void td_pairs_turn(uint32_t (*word)[16]) {
  for (int i = 0; i < 16; i++)
    for (int j = 0; j < i; j++) {
      uint32_t w = word[i][j];
      word[i][j] = word[j][i];
      word[j][i] = w;
    }
}
/* 16 x 16 pairs turned on their way, `step` numbers from a line to the next of
 * `to`: lines of `from` lie `stride` apart, contiguous in k (`along`), or each
 * holds 16 numbers of one k and the line behind it those of the next. */
#if TD_LANES == 16
TD_INLINE void td_pairs_square(uint16_t *to, int64_t step, const void *from, const int half, int64_t at, int64_t stride,
                               const int along) {
  TdVec v[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; i++) {
    uint32_t *word = (uint32_t *)&v[i];
    if (along) td_pairs_along(word, from, half, at + i * stride, TD_NARROW_DEPTH);
    else td_pairs_across(word, from, half, at + 2 * i * stride, stride, 1, 16);
  }
  td_transpose(v);
#pragma GCC unroll 16
  for (int i = 0; i < 16; i++) __builtin_memcpy(to + i * step, &v[i], sizeof v[i]);
}
#endif

/* A tile of A out of numbers whose k lie `stride` apart: 16 rows of 32 of k. Eight rows at a
 * time: each quarter of vector i has them at k = 8 quarter + i, and is turned by itself. What
 * comes into its quarter on its way from memory need not be moved there, which halves the moves
 * that turning takes, and only one unit of the processor makes these. */
#if TD_NARROW_ROUNDS
#define TD_MIX(to, how, x, y) __asm__("vpunpck" how " %2, %1, %0" : "=v"(to) : "v"(x), "v"(y))
TD_INLINE TdPairs td_quarters(const uint16_t *from, int64_t stride) {
  typedef uint16_t Eight __attribute__((vector_size(16), aligned(2), may_alias));
  TdPairs v;
  __asm__("vmovdqu64 %1, %x0\n\tvinserti32x4 $1, %2, %t0, %t0\n\t"
          "vinserti32x4 $2, %3, %0, %0\n\tvinserti32x4 $3, %4, %0, %0"
          : "=&v"(v)
          : "m"(*(const Eight *)from), "m"(*(const Eight *)(from + stride)),
            "m"(*(const Eight *)(from + 2 * stride)), "m"(*(const Eight *)(from + 3 * stride)));
  return v;
}
TD_INLINE void td_tile_of_halves(uint16_t *to, const uint16_t *from, int64_t stride) {
  for (int side = 0; side < 16; side += 8, to += 8 * TD_NARROW_DEPTH) {
    TdPairs pair[2][4], four[4][2];        /* [rows of 4, of 2][k of 2, of 4] */
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
      const uint16_t *k = from + side + 2 * i * stride;
      TdPairs even = td_quarters(k, 8 * stride), odd = td_quarters(k + stride, 8 * stride);
      TD_MIX(pair[0][i], "lwd", even, odd);
      TD_MIX(pair[1][i], "hwd", even, odd);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
      TD_MIX(four[i / 2 * 2][i % 2], "ldq", pair[i / 2][i % 2 * 2], pair[i / 2][i % 2 * 2 + 1]);
      TD_MIX(four[i / 2 * 2 + 1][i % 2], "hdq", pair[i / 2][i % 2 * 2], pair[i / 2][i % 2 * 2 + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
      TD_MIX(*(TdPairsMem *)(to + 2 * i * TD_NARROW_DEPTH), "lqdq", four[i][0], four[i][1]);
      TD_MIX(*(TdPairsMem *)(to + (2 * i + 1) * TD_NARROW_DEPTH), "hqdq", four[i][0], four[i][1]);
    }
  }
}
#elif TD_LANES == 16
TD_INLINE void td_tile_of_halves(uint16_t *to, const uint16_t *from, int64_t stride) {
  td_pairs_square(to, TD_NARROW_DEPTH, from, 1, 0, stride, 0);
}
#endif

TD_SHARED void td_narrow_pack_a(uint16_t *to, const void *from, int half, int64_t row_stride,
                                int64_t rows, int64_t depth) {
  const int64_t steps = (depth + TD_NARROW_DEPTH - 1) / TD_NARROW_DEPTH;
  for (int64_t r = 0; r < (rows + 15) / 16 * 16; r++) {
    uint16_t *row = to + r / 16 * steps * TD_NARROW_TILE + r % 16 * TD_NARROW_DEPTH;
    for (int64_t s = 0; s < steps; s++)
      td_pairs_along((uint32_t *)(row + s * TD_NARROW_TILE), from, half, r < rows ? r * row_stride + s * TD_NARROW_DEPTH : 0,
                     r < rows ? depth - s * TD_NARROW_DEPTH : 0);
  }
}
TD_SHARED void td_narrow_pack_a_turned(uint16_t *to, const void *from, int half, int64_t k_stride,
                                       int64_t rows, int64_t depth) {
  const int64_t steps = (depth + TD_NARROW_DEPTH - 1) / TD_NARROW_DEPTH;
  for (int64_t s = 0; s < steps; s++)
    for (int64_t r = 0; r < rows; r += 16) {
      uint16_t *place = to + (r / 16 * steps + s) * TD_NARROW_TILE;
#if TD_LANES == 16
      if (rows - r >= 16 && depth - s * TD_NARROW_DEPTH >= TD_NARROW_DEPTH) {
        const int64_t at = s * TD_NARROW_DEPTH * k_stride + r;
        if (half) td_tile_of_halves(place, (const uint16_t *)from + at, k_stride);
        else td_pairs_square(place, TD_NARROW_DEPTH, from, 0, at, k_stride, 0);
        continue;
      }
#endif
      uint32_t word[16][16] __attribute__((aligned(64)));
      for (int p = 0; p < 16; p++) {
        const int64_t k = s * TD_NARROW_DEPTH + 2 * p;
        td_pairs_across(word[p], from, half, k < depth ? k * k_stride + r : 0, k_stride, k + 1 < depth,
                        k < depth ? rows - r : 0);
      }
      td_pairs_turn(word);
      __builtin_memcpy(place, word, sizeof word);
    }
}
TD_INLINE void td_narrow_pack_b_of(uint16_t *to, int64_t panel, int64_t k0, const void *from, const int half,
                                   int64_t k_stride, int64_t columns, int64_t depth) {
  const int64_t pairs = (depth + TD_NARROW_DEPTH - 1) / TD_NARROW_DEPTH * 16;
  const int64_t wide = (columns + 31) / 32 * 32;
  for (int64_t p = 0; p < pairs; p++) {
    uint16_t *row = to + (k0 + 2 * p) * TD_NARROW_COLUMNS;
    const int64_t k = 2 * p;
    for (int64_t j = 0; j < wide; j += 16)
      td_pairs_across((uint32_t *)(row + j / 32 * panel + j % 32 * 2), from, half, k < depth ? k * k_stride + j : 0,
                      k_stride, k + 1 < depth, k < depth ? columns - j : 0);
  }
}
TD_SHARED void td_narrow_pack_b(uint16_t *to, int64_t panel, int64_t k0, const void *from, int half,
                                int64_t k_stride, int64_t columns, int64_t depth) {
  if (half) td_narrow_pack_b_of(to, panel, k0, from, 1, k_stride, columns, depth);
  else td_narrow_pack_b_of(to, panel, k0, from, 0, k_stride, columns, depth);
}
TD_SHARED void td_narrow_pack_b_turned(uint16_t *to, int64_t panel, int64_t k0, const void *from,
                                       int half, int64_t column_stride, int64_t columns,
                                       int64_t depth) {
  const int64_t wide = (columns + 31) / 32 * 32;
  for (int64_t j = 0; j < wide; j += 16)
    for (int64_t k = 0; k < depth; k += TD_NARROW_DEPTH) {
      uint16_t *place = to + j / 32 * panel + (k0 + k) * TD_NARROW_COLUMNS + j % 32 * 2;
#if TD_LANES == 16
      if (columns - j >= 16 && depth - k >= TD_NARROW_DEPTH) {
        const int64_t at = j * column_stride + k;
        if (half) td_pairs_square(place, 2 * TD_NARROW_COLUMNS, from, 1, at, column_stride, 1);
        else td_pairs_square(place, 2 * TD_NARROW_COLUMNS, from, 0, at, column_stride, 1);
        continue;
      }
#endif
      uint32_t word[16][16] __attribute__((aligned(64)));
      for (int c = 0; c < 16; c++)
        td_pairs_along(word[c], from, half, j + c < columns ? (j + c) * column_stride + k : 0,
                       j + c < columns ? depth - k : 0);
      td_pairs_turn(word);
      for (int p = 0; p < 16; p++) __builtin_memcpy(place + p * 64, word[p], sizeof word[p]);
    }
}
#endif

/* ---- moved places --------------------------------------------------------------------
 * An operand A that is read at moved places, as convolutions have it: a copy of the places that
 * rows of the product are made of, each packed once for all taps. Places lie one behind the
 * other, directions outermost first, with those around the numbers, which are zeros. */
enum { TD_MOVES = 8 };
typedef struct TdMoves {
  int     n, half;
  int64_t channels;              /* numbers side by side in a place, whole tiles of k */
  int64_t extent[TD_MOVES];      /* places of each direction; inside are from .. to - 1 */
  int64_t from[TD_MOVES], to[TD_MOVES];
  int64_t first[TD_MOVES];       /* of the numbers' own, what the first place is */
  int64_t stride[TD_MOVES];      /* numbers from one to the next in memory */
} TdMoves;
/* Places up to the end of a line: those inside, and where the numbers of the first of these lie. */
typedef struct TdLineOf {
  int64_t count, from, to, at;
} TdLineOf;
TD_INLINE TdLineOf td_line_of(const TdMoves *m, int64_t place, int64_t left) {
  const int last = m->n - 1;
  const int64_t along = place % m->extent[last], rest = m->extent[last] - along;
  TdLineOf x = { rest < left ? rest : left, m->from[last] - along, m->to[last] - along, 0 };
  int64_t outer = place / m->extent[last];
  if (x.from < 0) x.from = 0;
  if (x.to > x.count) x.to = x.count;
  for (int d = last - 1; d >= 0; d--) {
    const int64_t q = outer % m->extent[d];
    outer /= m->extent[d];
    if (q < m->from[d] || q >= m->to[d]) x.to = 0;
    x.at += (q + m->first[d]) * m->stride[d];
  }
  x.at += (along + x.from + m->first[last]) * m->stride[last];
  return x;
}
/* `count` places, rounded. */
TD_SHARED void td_narrow_places(uint16_t *to, const void *base, const TdMoves *m, int64_t place, int64_t count);
#ifndef TD_DECLARES
TD_SHARED void td_narrow_places(uint16_t *to, const void *base, const TdMoves *m, int64_t place, int64_t count) {
  const int64_t channels = m->channels, stride = m->stride[m->n - 1];
  while (count > 0) {
    const TdLineOf x = td_line_of(m, place, count);
    for (int64_t i = 0; i < x.count; i++, to += channels) {
      const int64_t at = x.at + (i - x.from) * stride;
      if (i < x.from || i >= x.to) __builtin_memset(to, 0, (size_t)channels * sizeof *to);
      else if (m->half) __builtin_memcpy(to, (const uint16_t *)base + at, (size_t)channels * sizeof *to);
      else td_narrow_run(to, (const float *)base + at, channels);
    }
    place += x.count;
    count -= x.count;
  }
}
#endif
/* Where each of up to 32 places lies; -1: nowhere, it is of zeros. */
TD_INLINE void td_places_at(int64_t *at, const TdMoves *m, int64_t place, int64_t count) {
  int64_t i = 0;
  while (i < count) {
    const TdLineOf x = td_line_of(m, place + i, count - i);
    for (int64_t j = 0; j < x.count; j++)
      at[i + j] = j < x.from || j >= x.to ? -1 : x.at + (j - x.from) * m->stride[m->n - 1];
    i += x.count;
  }
  for (; i < 32; i++) at[i] = -1;
}
/* `count` places turned, rounded: those of a channel side by side, from channel to channel `pitch`. */
TD_SHARED void td_narrow_turned(uint16_t *to, int64_t pitch, const void *base, const TdMoves *m, int64_t channels,
                                int64_t place, int64_t count);
#ifndef TD_DECLARES
TD_SHARED void td_narrow_turned(uint16_t *to, int64_t pitch, const void *base, const TdMoves *m, int64_t channels,
                                int64_t place, int64_t count) {
  static const float zeros[16];
  for (int64_t p = 0; p < count; p += 32, to += 32) {
    int64_t at[32];
    td_places_at(at, m, place + p, count - p < 32 ? count - p : 32);
    for (int64_t c = 0; c < channels; c += 16) {
      const uint16_t *half[32];
      const float *whole[32];
      for (int i = 0; i < 32; i++) {
        half[i] = at[i] < 0 ? (const uint16_t *)zeros : (const uint16_t *)base + at[i] + c;
        whole[i] = at[i] < 0 ? zeros : (const float *)base + at[i] + c;
      }
#if TD_LANES == 16
      TdVec v[16];
#pragma GCC unroll 16
      for (int i = 0; i < 16; i++) {
        if (m->half) td_pairs_of_halves((uint32_t *)&v[i], half[2 * i], half[2 * i + 1]);
        else td_pairs_of_floats((uint32_t *)&v[i], whole[2 * i], whole[2 * i + 1]);
      }
      td_transpose(v);
#pragma GCC unroll 16
      for (int i = 0; i < 16; i++) __builtin_memcpy(to + (c + i) * pitch, &v[i], sizeof v[i]);
#else
      for (int r = 0; r < 16; r++)
        for (int i = 0; i < 32; i++)
          to[(c + r) * pitch + i] = m->half ? half[i][r] : td_narrow(whole[i][r]);
#endif
    }
  }
}
#endif

/* Is each of rows x columns numbers in bf16 finite? */
TD_INLINE int td_narrow_finite(const uint16_t *from, int64_t rows, int64_t row_stride,
                               int64_t columns, int64_t stride) {
  const uint16_t infinite = 0x7f80;
  uint16_t any = 0;
  for (int64_t r = 0; r < rows; r++)
    for (int64_t c = 0; c < columns; c++) {
      const uint16_t bits = from[r * row_stride + c * stride];
      any |= (uint16_t)((bits & infinite) == infinite);
    }
  return !any;
}

/* ---- tiles ------------------------------------------------------------------------- */
/* 16 or 32 rows x columns of C. */
typedef struct TdNarrow {
  int64_t         depth;         /* of this block of k, a multiple of 32 */
  const uint16_t *a;             /* element (row, k) at (row / 16) a_half + (row % 16) a_row */
  int64_t         a_row;         /*   + (k / 32) a_step + k % 32 */
  int64_t         a_step, a_half;
  const int64_t  *taps;          /* or NULL: where each 32 of k lie, in place of (k / 32) a_step */
  const uint16_t *b;             /* panels at the block's first k, `panel` elements apart */
  int64_t         panel;
  float          *c;             /* whole tiles of it are written */
  int64_t         c_stride;
  int64_t         columns;
  int             tall;          /* 32 rows, else 16 */
  int             add;           /* to what is in C; else C is written */
  int             far;           /* C is in no near cache: its lines are asked for before they are written */
  TdFetch        *fetch;         /* what is brought near meanwhile: the first that is not done, */
  int             fetches;       /* at least one; a turn for each 32 of k in a panel */
} TdNarrow;
/* A at so many 32 of k from where it begins. */
TD_INLINE const uint16_t *td_narrow_step(const TdNarrow *t, const uint16_t *a, int64_t step) {
  return a + (t->taps ? t->taps[step] : step * t->a_step);
}
/* The turns of a strip that each of `users` may have. */
TD_INLINE int64_t td_narrow_turns(int64_t columns, int64_t depth, int64_t users) {
  const int64_t panels = (columns + TD_NARROW_COLUMNS - 1) / TD_NARROW_COLUMNS / users;
  return (panels > 0 ? panels : 1) * (depth / TD_NARROW_DEPTH);
}
/* td_fetch_begin for numbers of `size` bytes, and for so many turns; a panel has
 * one thing to fetch. */
TD_INLINE void td_narrow_fetch(TdFetch *f, const void *from, int64_t size, int64_t outer_stride,
                               int64_t k_stride, int64_t outer, int64_t depth, int64_t turns) {
  const int64_t along = k_stride == 1 ? depth : outer_stride == 1 ? outer : 0;
  f->at = (const char *)from;
  f->stride = (k_stride == 1 ? outer_stride : k_stride) * size;
  f->rows = along == 0 ? 0 : k_stride == 1 ? outer : depth;
  f->lines = (along * size + 63) / 64;
  f->line = 0;
  f->share = f->rows * f->lines / (turns > 0 ? turns : 1) + 1;
}
/* The first that is not done. */
TD_INLINE TdFetch *td_narrow_next(TdFetch *fetch, int fetches) {
  const TdFetch *const last = fetch + fetches - 1;
  while (fetch->rows <= 0 && fetch < last) fetch++;
  return fetch;
}
/* Before and after a thread's tiles: the processor is told their shape, and that
 * they need not be kept any more. */
TD_SHARED void td_narrow_open(void);
TD_SHARED void td_narrow_close(void);
TD_SHARED void td_narrow_row(const TdNarrow *t);

/* ---- registers of tiles ---------------------------------------------------------- */
#if TD_NARROW_BODY == 2 && !defined TD_DECLARES
extern long syscall(long number, ...);
/* Linux lends the tile registers to a process that asks: once is enough. */
TD_INLINE int td_tiles_lent(void) {
  enum { ARCH_PRCTL = 158, REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
  static int answer;             /* 0: not asked yet, 1: yes, 2: no */
  int known = __atomic_load_n(&answer, __ATOMIC_RELAXED);
  if (known == 0) {
    known = syscall(ARCH_PRCTL, REQUEST_PERMISSION, TILE_DATA) == 0 ? 1 : 2;
    __atomic_store_n(&answer, known, __ATOMIC_RELAXED);
  }
  return known == 1;
}
#define TD_TMM_ZERO(t) __asm__ volatile("tilezero %%tmm" #t : :)
#define TD_TMM_LOAD(t, p, bytes) \
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #t : : "r"(p), "r"((int64_t)(bytes)) : "memory")
#define TD_TMM_STORE(t, p, bytes) \
  __asm__ volatile("tilestored %%tmm" #t ", (%0,%1,1)" : : "r"(p), "r"((int64_t)(bytes)) : "memory")
#define TD_TMM_DOT(c, a, b) __asm__ volatile("tdpbf16ps %%tmm" #b ", %%tmm" #a ", %%tmm" #c : :)
/* Tiles 0 .. 3 sum, 4 and 5 hold A, 6 and 7 B. A block is `high` x `broad` of them. */
TD_INLINE void td_narrow_start(void) {
  TD_TMM_ZERO(0);
  TD_TMM_ZERO(1);
  TD_TMM_ZERO(2);
  TD_TMM_ZERO(3);
}
/* A block of k is summed by itself and then added, as td_tile_body does. */
#define TD_TMM_PUT(t, to)                                                                 \
  do {                                                                                    \
    float *const place = to;                                                              \
    if (!add) {                                                                           \
      TD_TMM_STORE(t, place, stride * 4);                                                 \
    } else {                                                                              \
      TD_TMM_STORE(t, sum, sizeof sum[0]);                                                \
      for (int r = 0; r < TD_NARROW_ROWS; r++)                                            \
        td_store(place + r * stride, td_load(place + r * stride) + td_load(sum[r]));      \
    }                                                                                     \
  } while (0)
TD_INLINE void td_narrow_finish(float *c, const int64_t stride, const int add, const int high, const int broad) {
  float sum[TD_NARROW_ROWS][16] __attribute__((aligned(64)));
  float *below = c + TD_NARROW_ROWS * stride;
  TD_TMM_PUT(0, c);
  if (broad > 1) TD_TMM_PUT(1, c + 16);
  if (high > 1) TD_TMM_PUT(2, below);
  if (high > 1 && broad > 1) TD_TMM_PUT(3, below + 16);
}
/* At the edges, where the numbers of tiles are no constants. */
static TD_APART void td_narrow_finish_edge(float *c, int64_t stride, int add, int high, int broad) {
  td_narrow_finish(c, stride, add, high, broad);
}
#endif

#ifndef TD_DECLARES
/* A few rows of a panel, whose sums stay in registers. */
enum { TD_STRIP = TD_LANES == 16 ? 8 : 4 };
#if TD_NARROW_BODY == 1
TD_INLINE void td_pair_dot(TdVec *c, uint32_t a, const uint16_t *b) {
  TdPairs x = (TdPairs){ 0 } + a, y = *(const TdPairsMem *)b;
  __asm__("vdpbf16ps %2, %1, %0" : "+v"(*c) : "v"(x), "v"(y));
}
/* The first eight columns: a processor that makes vectors of two halves takes half the time. */
TD_INLINE void td_pair_dot_eight(TdVec *c, const uint16_t *a, const uint16_t *b) {
  typedef uint32_t Pair __attribute__((aligned(2), may_alias));
  TdPairs y = *(const TdPairsMem *)b;
  __asm__("vdpbf16ps %2%{1to8%}, %t1, %t0" : "+v"(*c) : "v"(y), "m"(*(const Pair *)a));
}
/* ROWS x 32 sums, or x 16 or 8 where there are no more columns in the panel; all constants. B is asked
 * for 1 KB ahead, behind a panel's end of the panel after it: with depths of 64 to 512 on Zen 4 232
 * GFLOP/s for 228, of 234 that the unit has. Of A as much is asked for by the processor itself: told so
 * it takes 1.03 of the time. Strips of 10 to 14 rows reach the same, but where k is 64 long (226 for 219). */
TD_INLINE void td_narrow_strip(const int ROWS, const int COLUMNS, const TdNarrow *t, const uint16_t *a, const uint16_t *b,
                               float *c) {
  enum { AHEAD = 8 * 2 * TD_NARROW_COLUMNS };
  const int VECTORS = COLUMNS > 16 ? 2 : 1;
  TdVec sum[2 * TD_STRIP] = { { 0 } };
  for (int64_t k = 0; k < t->depth; k += TD_NARROW_DEPTH) {
    const uint16_t *pair = td_narrow_step(t, a, k / TD_NARROW_DEPTH);
    for (int p = 0; p < TD_NARROW_DEPTH; p += 2, pair += 2, b += 2 * TD_NARROW_COLUMNS) {
#pragma GCC unroll 2
      for (int v = 0; v < VECTORS; v++) __builtin_prefetch(b + AHEAD + v * 32);
#pragma GCC unroll 16
      for (int r = 0; r < ROWS; r++) {
        if (COLUMNS == 8) {
          td_pair_dot_eight(&sum[r], pair + r * t->a_row, b);
          continue;
        }
        uint32_t word;
        __builtin_memcpy(&word, pair + r * t->a_row, sizeof word);
#pragma GCC unroll 2
        for (int v = 0; v < VECTORS; v++) td_pair_dot(&sum[r * VECTORS + v], word, b + v * 32);
      }
    }
  }
  const int64_t c_stride = t->c_stride;
  const int add = t->add;
#pragma GCC unroll 16
  for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 2
    for (int v = 0; v < VECTORS; v++) {
      float *const to = c + r * c_stride + v * 16;
      td_store(to, add ? sum[r * VECTORS + v] + td_load(to) : sum[r * VECTORS + v]);
    }
}
/* Apart, so that no address of the loop around them waits in a vector's register. */
static TD_APART void td_narrow_strip_32(const TdNarrow *t, const uint16_t *a, const uint16_t *b, float *c) {
  td_narrow_strip(TD_STRIP, 32, t, a, b, c);
}
/* The last columns, where a vector has them: twice the rows. */
static TD_APART void td_narrow_strip_16(const TdNarrow *t, const uint16_t *a, const uint16_t *b, float *c) {
  td_narrow_strip(2 * TD_STRIP, 16, t, a, b, c);
}
static TD_APART void td_narrow_strip_8(const TdNarrow *t, const uint16_t *a, const uint16_t *b, float *c) {
  td_narrow_strip(2 * TD_STRIP, 8, t, a, b, c);
}
static void td_narrow_vectors(const TdNarrow *t) {
  const int64_t rows = t->tall ? 32 : 16, turns = t->depth / TD_NARROW_DEPTH;
  const uint16_t *b = t->b;
  for (int64_t j = 0; j < t->columns; j += TD_NARROW_COLUMNS, b += t->panel) {
    const int64_t left = t->columns - j, step = left > 16 ? TD_STRIP : 2 * TD_STRIP;
    TdFetch *const next = td_narrow_next(t->fetch, t->fetches);
    TdFetch fetch = *next;
    for (int64_t r = 0, turn = 0; r < rows; r += step) {
      const uint16_t *const a = t->a + r / 16 * t->a_half + r % 16 * t->a_row;
      float *const c = t->c + r * t->c_stride + j;
      for (; turn * rows < turns * (r + step); turn++) td_fetch(&fetch);
      if (left > 16) td_narrow_strip_32(t, a, b, c);
      else if (left > 8) td_narrow_strip_16(t, a, b, c);
      else td_narrow_strip_8(t, a, b, c);
    }
    *next = fetch;
  }
}
#else
/* A's numbers are made floats once for all panels, B's in registers, for all rows of a strip. */
typedef uint32_t TdWord __attribute__((vector_size(4 * TD_LANES)));
typedef uint32_t TdWordMem __attribute__((vector_size(4 * TD_LANES), aligned(2), may_alias));
#ifndef TD_WIDE_DEPTH
#define TD_WIDE_DEPTH 768        /* of k at a time, */
#endif
enum { TD_WIDE_ROW = TD_WIDE_DEPTH + 16 }; /* of which rows lie in sets of the cache that differ */
/* 16 rows, `depth` from step k0 of 32 on. */
TD_INLINE void td_narrow_widen(float (*wide)[TD_WIDE_ROW], const TdNarrow *t, const uint16_t *a, int64_t k0, int64_t depth) {
  for (int64_t k = 0; k < depth; k += TD_NARROW_DEPTH) {
    const uint16_t *const step = td_narrow_step(t, a, (k0 + k) / TD_NARROW_DEPTH);
    for (int r = 0; r < TD_NARROW_ROWS; r++) td_bring_wide(wide[r] + k, step + r * t->a_row, TD_NARROW_DEPTH);
  }
}
/* `more`: sums go on from what is in c. */
TD_INLINE void td_narrow_strip(const float (*wide)[TD_WIDE_ROW], int64_t depth, const uint16_t *b, float *c,
                               int64_t c_stride, const int more) {
  enum { ROWS = TD_STRIP, VECTORS = 2 };
  for (int64_t j = 0; j < TD_NARROW_COLUMNS; j += VECTORS * TD_LANES) {
    TdVec sum[ROWS][VECTORS];
#pragma GCC unroll 8
    for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 2
      for (int v = 0; v < VECTORS; v++)
        sum[r][v] = more ? td_load(c + r * c_stride + j + v * TD_LANES) : (TdVec){ 0 };
    const uint16_t *pair = b + 2 * j;
    for (int64_t k = 0; k < depth; k += 2, pair += 2 * TD_NARROW_COLUMNS) {
      TdVec low[VECTORS], high[VECTORS];
#pragma GCC unroll 2
      for (int v = 0; v < VECTORS; v++) {
        const TdWord word = *(const TdWordMem *)(pair + v * 2 * TD_LANES);
        low[v] = (TdVec)(word << 16);
        high[v] = (TdVec)(word & 0xffff0000u);
      }
#pragma GCC unroll 8
      for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 2
        for (int v = 0; v < VECTORS; v++) {
          sum[r][v] += wide[r][k] * low[v];
          sum[r][v] += wide[r][k + 1] * high[v];
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < ROWS; r++)
#pragma GCC unroll 2
      for (int v = 0; v < VECTORS; v++) td_store(c + r * c_stride + j + v * TD_LANES, sum[r][v]);
  }
}
static void td_narrow_vectors(const TdNarrow *t) {
  float wide[TD_NARROW_ROWS][TD_WIDE_ROW], sums[TD_NARROW_ROWS][TD_NARROW_COLUMNS] __attribute__((aligned(64)));
  const int once = t->depth <= TD_WIDE_DEPTH;
  for (int half = 0; half < (t->tall ? 2 : 1); half++) {
    const uint16_t *const a = t->a + half * t->a_half, *b = t->b;
    if (once) td_narrow_widen(wide, t, a, 0, t->depth);
    for (int64_t j = 0; j < t->columns; j += TD_NARROW_COLUMNS, b += t->panel) {
      float *const c = t->c + half * TD_NARROW_ROWS * t->c_stride + j, *const to = t->add ? sums[0] : c;
      const int64_t stride = t->add ? TD_NARROW_COLUMNS : t->c_stride;
      TdFetch *fetch = td_narrow_next(t->fetch, t->fetches);
      for (int64_t k = 0; k < t->depth && half == 0; k += TD_NARROW_DEPTH) td_fetch(fetch);
      for (int64_t k = 0; k < t->depth; k += TD_WIDE_DEPTH) {
        const int64_t depth = t->depth - k < TD_WIDE_DEPTH ? t->depth - k : TD_WIDE_DEPTH;
        if (!once) td_narrow_widen(wide, t, a, k, depth);
        for (int r = 0; r < TD_NARROW_ROWS; r += TD_STRIP)
          td_narrow_strip((const float(*)[TD_WIDE_ROW])wide + r, depth, b + k * TD_NARROW_COLUMNS, to + r * stride, stride, k > 0);
      }
      for (int r = 0; t->add && r < TD_NARROW_ROWS; r++)
        for (int i = 0; i < TD_NARROW_COLUMNS; i += TD_LANES)
          td_store(c + r * t->c_stride + i, td_load(&sums[r][i]) + td_load(c + r * t->c_stride + i));
    }
  }
}
#endif

#if TD_NARROW_BODY == 2
/* Eight tiles of 16 rows of 64 bytes. */
TD_SHARED void td_narrow_open(void) {
  static const struct {
    uint8_t  palette, start, none[14];
    uint16_t row_bytes[16];
    uint8_t  rows[16];
  } shape __attribute__((aligned(64))) = { 1, 0, { 0 }, { 64, 64, 64, 64, 64, 64, 64, 64 }, { 16, 16, 16, 16, 16, 16, 16, 16 } };
  if (td_tiles_lent()) __asm__ volatile("ldtilecfg %0" : : "m"(shape));
}
TD_SHARED void td_narrow_close(void) {
  if (td_tiles_lent()) __asm__ volatile("tilerelease" : : : "memory");
}
/* A share of the tiles of B that come next, to the nearest cache. */
TD_INLINE void td_narrow_ahead(const uint16_t *next, const int slot) {
  const int lines = 2 * TD_NARROW_ROWS, from = slot * 3, to = from + 3 < lines ? from + 3 : lines;
#pragma GCC unroll 3
  for (int line = from; line < to; line++) __builtin_prefetch(next + line * 32);
}
/* A tile is cleared after its last use, and other work stands between any two
 * instructions of tiles. On processors whose core is shared with another thread there
 * is hardly a register besides the eight to write the next tile to, while those that
 * hold zeros take none: this took 0.67 of the time of loads before and requests between the
 * dots there, which took 0.7 of the plain order; on others all are the same. */
TD_INLINE void td_narrow_square(const TdNarrow *t, const uint16_t *panel, float *c) {
  const int64_t a_bytes = t->a_row * 2;
  const uint16_t *b = panel;
  const uint16_t *a = td_narrow_step(t, t->a, 0);
  TdFetch *const next = td_narrow_next(t->fetch, t->fetches);
  TdFetch fetch = *next;
  td_narrow_start();
  for (int r = 0; t->far && r < 2 * TD_NARROW_ROWS; r++) {
    __builtin_prefetch(c + r * t->c_stride, 1);
    __builtin_prefetch(c + r * t->c_stride + 16, 1);
  }
  for (int64_t k = 0; k < t->depth; k += TD_NARROW_DEPTH) {
    const uint16_t *const after = k + TD_NARROW_DEPTH < t->depth ? b + TD_NARROW_DEPTH * TD_NARROW_COLUMNS : panel + t->panel;
    TD_TMM_LOAD(4, a, a_bytes);
    td_narrow_ahead(after, 0);
    TD_TMM_LOAD(6, b, 128);
    td_narrow_ahead(after, 1);
    TD_TMM_DOT(0, 4, 6);
    td_narrow_ahead(after, 2);
    TD_TMM_LOAD(7, b + 32, 128);
    td_narrow_ahead(after, 3);
    TD_TMM_DOT(1, 4, 7);
    td_narrow_ahead(after, 4);
    TD_TMM_ZERO(4);
    td_narrow_ahead(after, 5);
    TD_TMM_LOAD(5, a + t->a_half, a_bytes);
    td_narrow_ahead(after, 6);
    TD_TMM_DOT(2, 5, 6);
    td_narrow_ahead(after, 7);
    TD_TMM_ZERO(6);
    td_narrow_ahead(after, 8);
    TD_TMM_DOT(3, 5, 7);
    td_narrow_ahead(after, 9);
    TD_TMM_ZERO(5);
    td_narrow_ahead(after, 10);
    TD_TMM_ZERO(7);
    td_fetch(&fetch);
    a = td_narrow_step(t, t->a, k / TD_NARROW_DEPTH + 1);
    b += TD_NARROW_DEPTH * TD_NARROW_COLUMNS;
  }
  *next = fetch;
  td_narrow_finish(c, t->c_stride, t->add, 2, 2);
}
/* At the edges. */
static TD_APART void td_narrow_edge(const TdNarrow *t, const uint16_t *b, float *c, int high, int broad) {
  const int64_t a_bytes = t->a_row * 2;
  TdFetch *const next = td_narrow_next(t->fetch, t->fetches);
  TdFetch fetch = *next;
  td_narrow_start();
  for (int64_t k = 0; k < t->depth; k += TD_NARROW_DEPTH) {
    const uint16_t *const a = td_narrow_step(t, t->a, k / TD_NARROW_DEPTH);
    TD_TMM_LOAD(6, b, 128);
    TD_TMM_LOAD(4, a, a_bytes);
    TD_TMM_DOT(0, 4, 6);
    if (broad > 1) {
      TD_TMM_LOAD(7, b + 32, 128);
      TD_TMM_DOT(1, 4, 7);
      TD_TMM_ZERO(7);
    }
    TD_TMM_ZERO(4);
    if (high > 1) {
      TD_TMM_LOAD(5, a + t->a_half, a_bytes);
      TD_TMM_DOT(2, 5, 6);
      TD_TMM_ZERO(5);
    }
    TD_TMM_ZERO(6);
    td_fetch(&fetch);
    b += TD_NARROW_DEPTH * TD_NARROW_COLUMNS;
  }
  *next = fetch;
  td_narrow_finish_edge(c, t->c_stride, t->add, high, broad);
}
TD_SHARED void td_narrow_row(const TdNarrow *t) {
  if (!td_tiles_lent()) {
    td_narrow_vectors(t);
    return;
  }
  const uint16_t *b = t->b;
  for (int64_t j = 0; j < t->columns; j += TD_NARROW_COLUMNS, b += t->panel) {
    if (t->columns - j > 16) {
      if (t->tall) td_narrow_square(t, b, t->c + j);
      else td_narrow_edge(t, b, t->c + j, 1, 2);
    } else {
      if (t->tall) td_narrow_edge(t, b, t->c + j, 2, 1);
      else td_narrow_edge(t, b, t->c + j, 1, 1);
    }
  }
}
#else
TD_SHARED void td_narrow_open(void) {}
TD_SHARED void td_narrow_close(void) {}
TD_SHARED void td_narrow_row(const TdNarrow *t) { td_narrow_vectors(t); }
#endif
#endif

#endif
