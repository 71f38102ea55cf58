/* The prelude's third part: matrix products whose factors are rounded to bf16
 * (the upper half of a float: 8 bits of exponent, 7 of fraction) and whose sums
 * are floats. Programs have it that say `precision { act bf16 }` or `product bf16`.
 *
 * A tile function (prelude_tiles.h) multiplies 32 rows of A by panels of 32 columns of B,
 * 32 steps of k at a time. There are three bodies of one meaning, chosen by what the
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
/* `count` places of so many channels, as they are: from place to place `by_place`, from one vector of
 * channels to the next `by_vector`. */
TD_SHARED void td_float_places(float *to, int64_t by_place, int64_t by_vector, const float *base, const TdMoves *m,
                               int64_t channels, int64_t place, int64_t count);
#ifndef TD_DECLARES
TD_SHARED void td_float_places(float *to, int64_t by_place, int64_t by_vector, const float *base, const TdMoves *m,
                               int64_t channels, int64_t place, int64_t count) {
  const int64_t stride = m->stride[m->n - 1];
  while (count > 0) {
    const TdLineOf x = td_line_of(m, place, count);
    for (int64_t i = 0; i < x.count; i++, to += by_place) {
      const float *const from = base + x.at + (i - x.from) * stride;
      const int inside = i >= x.from && i < x.to;
      float *put = to;
      for (int64_t c = 0; c < channels; c += TD_LANES, put += by_vector)
        td_store(put, inside ? td_load(from + c) : (TdVec){ 0 });
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

#endif
