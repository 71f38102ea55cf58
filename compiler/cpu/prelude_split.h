/* The prelude's fourth part: matrix products of floats on the tiles that multiply
 * bf16. Programs have it that say `precision { product split6 }` or `split3`.
 *
 *   x = high + middle + low     each part a bf16, the nearest to what is left: all of x
 *   x y = low high' + middle middle' + high low' + middle high' + high middle' + high high'
 *
 * What six products leave out is at most 2^-24 of |x y|; the three last of them, 2^-15. The
 * sums are floats: a step of 32 of k is summed by itself and added six times, or three,
 * where the tiles of floats (prelude.h) add 32 times; blocks of k are those of the floats.
 *
 * The tiles take a number below 2^-126 for 0, and a part of an infinity is none. So a cell,
 * 32 rows of A or columns of B by 32 of k, says how large its numbers are; where a part, a
 * product or a sum might be none that tiles have, the block of 32 x 32 sums is multiplied as
 * floats, in the order of the tiles of floats: bit by bit what they make of it. (Where it is
 * products alone that may be too small, only if a sum is so small that they count.) So it is
 * everywhere on a processor that does not lend its tiles, and one that has none compiles the
 * tiles of floats instead (TD_SPLIT_TILES is 0). */
#ifndef TD_PRELUDE_SPLIT
#define TD_PRELUDE_SPLIT

#ifndef TD_PRELUDE_TILES
#include "compiler/cpu/prelude_tiles.h"
#endif

#define TD_SPLIT_TILES (TD_NARROW_BODY == 2)

#if TD_SPLIT_TILES
enum {
  TD_SPLIT_SIDE = 32,                                 /* of a cell: rows or columns, and steps of k */
  TD_SPLIT_PART = TD_SPLIT_SIDE * TD_SPLIT_SIDE,      /* numbers: two tiles */
  TD_SPLIT_SPANS = 64                                 /* numbers behind the cells of a panel, at least */
};

/* ---- packing ----------------------------------------------------------------------
 * A panel is 32 rows of A or columns of B by a block of k: a cell for each 32 of k,
 * padded with zeros, of `parts` parts; then the cells' spans. A part of a cell is
 *
 *   of A   [2][16 rows][32 of k]
 *   of B   [2][16 pairs of k][16 columns][2 of k]
 *
 * A cell that cannot be split holds its numbers as they are: the upper halves in the
 * first part, the lower ones in the second. */
typedef struct TdSpan {
  uint32_t most;                 /* the largest of the bits without the sign, twice */
  uint32_t least;                /* the same of the smallest that is not 0, less 1 */
} TdSpan;

/* Cells of so many of k. */
TD_INLINE int64_t td_split_steps(int64_t depth) { return (depth + TD_SPLIT_SIDE - 1) / TD_SPLIT_SIDE; }
/* Where they begin: there are fewer of them than a cell has. */
TD_INLINE int64_t td_split_spans_at(int64_t panel, int parts) {
  return parts == 3 ? panel / (3 * TD_SPLIT_PART) * (3 * TD_SPLIT_PART) : panel / (2 * TD_SPLIT_PART) * (2 * TD_SPLIT_PART);
}

/* Rows are contiguous in k; `parts` as everywhere. */
TD_SHARED void td_split_pack_a(uint16_t *to, const float *from, int parts, int64_t row_stride, int64_t rows,
                               int64_t depth);
/* Steps of k are contiguous in the rows. */
TD_SHARED void td_split_pack_a_turned(uint16_t *to, const float *from, int parts, int64_t k_stride, int64_t rows,
                                      int64_t depth);
/* Steps of k are contiguous in the columns; panels lie `panel` apart and begin with k = 0, what is packed with k0. */
TD_SHARED void td_split_pack_b(uint16_t *to, int64_t panel, int64_t k0, const float *from, int parts,
                               int64_t k_stride, int64_t columns, int64_t depth);
/* Columns are contiguous in k. */
TD_SHARED void td_split_pack_b_turned(uint16_t *to, int64_t panel, int64_t k0, const float *from, int parts,
                                      int64_t column_stride, int64_t columns, int64_t depth);

/* Places of an A that is read at moved ones (td_narrow_places), in parts: [place][part][channel].
 * Spans are of each place, behind the one of all. One that cannot be split is as in a cell. */
TD_SHARED void td_split_places(uint16_t *to, uint16_t *spans, const float *base, const TdMoves *m, int parts,
                               int64_t place, int64_t count);
/* The same turned (td_narrow_turned), in parts: a copy of each. The span is of all, twice. */
TD_SHARED void td_split_turned(uint16_t *to, uint16_t *spans, int64_t pitch, const float *base, const TdMoves *m,
                               int parts, int64_t channels, int64_t place, int64_t count);

/* 16 or 32 rows x columns of C. */
typedef struct TdSplit {
  int64_t         depth;         /* of this block of k */
  /* Steps that are passed over before it: of the panels of B; of A's, which has steps_a, or 0:
   * as many as there are. */
  int64_t         skip_b, skip_a, steps_a;
  int             parts;         /* of a number: 3, whose products are six, or 2 and three */
  const uint16_t *a;             /* a panel, whose spans are behind its cells, or places */
  int64_t         a_row, a_half; /* numbers from row to row, to the 16 others, */
  int64_t         a_part;        /* from part to part */
  const int64_t  *taps;          /* of places, else NULL: where each 32 of k lie, */
  const uint16_t *places, *spans; /* the first of all places, their spans */
  int64_t         place;         /* numbers of each */
  const uint16_t *b;             /* panels, `panel` elements apart: spans are in the last ones */
  int64_t         panel;
  float          *c;             /* whole tiles of it are written */
  int64_t         c_stride;
  int64_t         rows, columns; /* up to 32, any */
  int             add, far;      /* as in TdNarrow */
  TdFetch        *fetch;
  int             fetches;
} TdSplit;
TD_SHARED void td_split_row(const TdSplit *t);

#ifndef TD_DECLARES
typedef uint32_t TdBits __attribute__((vector_size(64)));
typedef uint32_t TdBitsMem __attribute__((vector_size(64), aligned(2), may_alias));

/* Normal, and so is each part of it: below 2^127, from 2^-103 on. */
TD_INLINE int td_split_plain(TdSpan s) { return s.most >> 24 <= 253 && s.least >> 24 >= 24; }
/* Is nothing between the factors and a block's sum infinite? A block is below 2^9 of k. */
TD_INLINE int td_split_fits(TdSpan a, TdSpan b) {
  return td_split_plain(a) && td_split_plain(b) && (a.most >> 24) + (b.most >> 24) <= 369;
}
/* Is nothing too small? Every part is a multiple of 2^-23 of the number that it is of, and so
 * every product and sum one of 2^-46 of the two smallest. */
TD_INLINE int td_split_keeps(TdSpan a, TdSpan b) { return (a.least >> 24) + (b.least >> 24) >= 174; }
/* Of all cells of a panel. */
TD_INLINE TdSpan td_split_span(const uint16_t *spans, int64_t steps) {
  TdSpan all = { 0, UINT32_MAX };
  for (int64_t i = 0; i < steps; i++) {
    TdSpan s;
    __builtin_memcpy(&s, spans + i * 4, sizeof s);
    if (s.most > all.most) all.most = s.most;
    if (s.least < all.least) all.least = s.least;
  }
  return all;
}

TD_INLINE TdBits td_split_load(const float *x) { return *(const TdBitsMem *)x; }
TD_INLINE void td_split_see(TdBits *most, TdBits *least, TdBits x) {
  const TdBits twice = x + x, before = twice - 1u;
  __asm__("vpmaxud %1, %0, %0" : "+v"(*most) : "v"(twice));
  __asm__("vpminud %1, %0, %0" : "+v"(*least) : "v"(before));
}
TD_INLINE TdSpan td_split_seen(TdBits most, TdBits least) {
  TdSpan s = { 0, UINT32_MAX };
  for (int i = 0; i < 16; i++) {
    s.most = most[i] > s.most ? most[i] : s.most;
    s.least = least[i] < s.least ? least[i] : s.least;
  }
  return s;
}
/* The nearest bf16, as a float; what is left of x is exact, and a bf16 after the second. */
TD_INLINE TdBits td_split_part(TdBits *x, const int number) {
  if (number == 2) return *x;
  const TdBits part = (*x + 0x8000u) & 0xffff0000u;
  *x = (TdBits)((TdVec)*x - (TdVec)part);
  return part;
}

/* 32 rows of A, contiguous in k. While a cell is cut the one that is next is asked for: its lines lie so far
 * apart that the processor does not see them coming, and take twice as long from memory otherwise. */
TD_INLINE TdSpan td_split_cell_a(uint16_t *to, const int parts, const float *from, int64_t stride,
                                 const float *next) {
  TdBits most = { 0 }, least = ~(TdBits){ 0 };
  for (int r = 0; r < TD_SPLIT_SIDE; r++) {
    __builtin_prefetch(next + r * stride);
    __builtin_prefetch(next + r * stride + 16);
    TdBits x = td_split_load(from + r * stride), y = td_split_load(from + r * stride + 16);
    td_split_see(&most, &least, x);
    td_split_see(&most, &least, y);
#pragma GCC unroll 3
    for (int p = 0; p < parts; p++) {
      const TdBits low = td_split_part(&x, p), high = td_split_part(&y, p);
      TdBits both;
      __asm__("vcvtne2ps2bf16 %1, %2, %0" : "=v"(both) : "v"(low), "v"(high));
      *(TdBitsMem *)(to + p * TD_SPLIT_PART + r * 32) = both;
    }
  }
  return td_split_seen(most, least);
}
/* 32 columns of B, steps of k `stride` apart. */
TD_INLINE TdSpan td_split_cell_b(uint16_t *to, const int parts, const float *from, int64_t stride,
                                 const float *next) {
  TdBits most = { 0 }, least = ~(TdBits){ 0 };
  for (int pair = 0; pair < TD_SPLIT_SIDE / 2; pair++)
    for (int half = 0; half < 2; half++) {
      const float *at = from + 2 * pair * stride + 16 * half;
      __builtin_prefetch(next + 2 * pair * stride + 16 * half);
      __builtin_prefetch(next + (2 * pair + 1) * stride + 16 * half);
      TdBits x = td_split_load(at), y = td_split_load(at + stride);
      td_split_see(&most, &least, x);
      td_split_see(&most, &least, y);
#pragma GCC unroll 3
      for (int p = 0; p < parts; p++) {
        const TdBits low = td_split_part(&x, p), high = td_split_part(&y, p);
        *(TdBitsMem *)(to + p * TD_SPLIT_PART + half * TD_NARROW_TILE + pair * 32) = low >> 16 | high;
      }
    }
  return td_split_seen(most, least);
}
/* Where number (line, k) of a cell lies in a part: of A or, if `is_b`, of B. */
TD_INLINE int td_split_at(const int is_b, int line, int k) {
  return is_b ? line / 16 * TD_NARROW_TILE + k / 2 * 32 + line % 16 * 2 + k % 2 : line * 32 + k;
}
/* One cell of A, rows `stride` apart, or of B, steps of k. */
TD_INLINE void td_split_cell(uint16_t *to, uint16_t *span, const int is_b, const int parts, const float *from,
                             int64_t stride, const float *next) {
  const TdSpan s =
    is_b ? td_split_cell_b(to, parts, from, stride, next) : td_split_cell_a(to, parts, from, stride, next);
  __builtin_memcpy(span, &s, sizeof s);
  if (td_split_plain(s)) return;
  for (int i = 0; i < TD_SPLIT_SIDE; i++)
    for (int j = 0; j < TD_SPLIT_SIDE; j++) {
      const uint32_t bits = td_bits(from[i * stride + j]);
      uint16_t *place = to + (is_b ? td_split_at(1, j, i) : td_split_at(0, i, j));
      place[0] = (uint16_t)(bits >> 16);
      place[TD_SPLIT_PART] = (uint16_t)bits;
    }
}
/* Lines of numbers, `stride` apart, into a whole cell of floats, turned or not; zeros around them. */
TD_INLINE void td_split_gather(float *to, const float *from, int64_t stride, int64_t lines, int64_t count,
                               const int turned, const float *next) {
  if (turned && lines == TD_SPLIT_SIDE && count == TD_SPLIT_SIDE) {
    for (int square = 0; square < 4; square++) {
      const int i = square / 2 * 16, j = square % 2 * 16;
      TdVec v[16];
#pragma GCC unroll 16
      for (int r = 0; r < 16; r++) {
        __builtin_prefetch(next + (i + r) * stride + j);
        v[r] = td_load(from + (i + r) * stride + j);
      }
      td_transpose(v);
#pragma GCC unroll 16
      for (int r = 0; r < 16; r++) td_store(to + (j + r) * TD_SPLIT_SIDE + i, v[r]);
    }
    return;
  }
  __builtin_memset(to, 0, TD_SPLIT_PART * sizeof *to);
  for (int64_t i = 0; i < lines; i++)
    for (int64_t j = 0; j < count; j++)
      to[turned ? j * TD_SPLIT_SIDE + i : i * TD_SPLIT_SIDE + j] = from[i * stride + j];
}
/* A cell of up to 32 lines of up to 32 numbers; turned: these are the other way round. */
TD_INLINE void td_split_put(uint16_t *to, uint16_t *span, const int is_b, int parts, const float *from,
                            int64_t stride, int64_t lines, int64_t count, const int turned, const float *next) {
  float whole[TD_SPLIT_PART] __attribute__((aligned(64)));
  if (turned || lines < TD_SPLIT_SIDE || count < TD_SPLIT_SIDE) {
    td_split_gather(whole, from, stride, lines, count, turned, next);
    from = next = whole;
    stride = TD_SPLIT_SIDE;
  }
  if (parts == 3) td_split_cell(to, span, is_b, 3, from, stride, next);
  else td_split_cell(to, span, is_b, 2, from, stride, next);
}
TD_INLINE int64_t td_split_up_to(int64_t n) { return n < TD_SPLIT_SIDE ? n : TD_SPLIT_SIDE; }
/* Panels of `outer` rows or columns by `depth` of k, that begin at step k0 / 32 of theirs. */
TD_INLINE void td_split_pack(uint16_t *to, int64_t panel, int64_t k0, const int is_b, int parts, const float *from,
                             int64_t outer_stride, int64_t k_stride, int64_t outer, int64_t depth, const int turned) {
  const int64_t cell = parts * TD_SPLIT_PART;
  for (int64_t o = 0; o < outer; o += TD_SPLIT_SIDE, to += panel)
    for (int64_t k = 0; k < depth; k += TD_SPLIT_SIDE) {
      const int64_t step = (k0 + k) / TD_SPLIT_SIDE, across = td_split_up_to(outer - o), along = td_split_up_to(depth - k);
      const int by_k = is_b != turned; /* lines are steps of k */
      const float *const at = from + o * outer_stride + k * k_stride,
                  *const next = k + TD_SPLIT_SIDE < depth   ? at + TD_SPLIT_SIDE * k_stride
                                : o + TD_SPLIT_SIDE < outer ? from + (o + TD_SPLIT_SIDE) * outer_stride
                                                            : at;
      td_split_put(to + step * cell, to + td_split_spans_at(panel, parts) + step * 4, is_b, parts,
                   at, by_k ? k_stride : outer_stride, by_k ? along : across,
                   by_k ? across : along, turned, next);
    }
}
/* Numbers in a panel of A. */
TD_INLINE int64_t td_split_panel_a(int64_t depth, int parts) {
  return td_split_steps(depth) * parts * TD_SPLIT_PART + TD_SPLIT_SPANS;
}
TD_SHARED void td_split_pack_a(uint16_t *to, const float *from, int parts, int64_t row_stride, int64_t rows,
                               int64_t depth) {
  td_split_pack(to, td_split_panel_a(depth, parts), 0, 0, parts, from, row_stride, 1, rows, depth, 0);
}
TD_SHARED void td_split_pack_a_turned(uint16_t *to, const float *from, int parts, int64_t k_stride, int64_t rows,
                                      int64_t depth) {
  td_split_pack(to, td_split_panel_a(depth, parts), 0, 0, parts, from, 1, k_stride, rows, depth, 1);
}
TD_SHARED void td_split_pack_b(uint16_t *to, int64_t panel, int64_t k0, const float *from, int parts,
                               int64_t k_stride, int64_t columns, int64_t depth) {
  td_split_pack(to, panel, k0, 1, parts, from, 1, k_stride, columns, depth, 0);
}
TD_SHARED void td_split_pack_b_turned(uint16_t *to, int64_t panel, int64_t k0, const float *from, int parts,
                                      int64_t column_stride, int64_t columns, int64_t depth) {
  td_split_pack(to, panel, k0, 1, parts, from, column_stride, 1, columns, depth, 1);
}

/* The same numbers in parts side by side, 32 at a time. */
TD_INLINE TdSpan td_split_place(uint16_t *to, const int parts, const float *from, int64_t channels) {
  TdBits most = { 0 }, least = ~(TdBits){ 0 };
  for (int64_t c = 0; c < channels; c += TD_SPLIT_SIDE) {
    TdBits x = td_split_load(from + c), y = td_split_load(from + c + 16);
    td_split_see(&most, &least, x);
    td_split_see(&most, &least, y);
#pragma GCC unroll 3
    for (int p = 0; p < parts; p++) {
      const TdBits low = td_split_part(&x, p), high = td_split_part(&y, p);
      TdBits both;
      __asm__("vcvtne2ps2bf16 %1, %2, %0" : "=v"(both) : "v"(low), "v"(high));
      *(TdBitsMem *)(to + p * channels + c) = both;
    }
  }
  const TdSpan s = td_split_seen(most, least);
  for (int64_t c = 0; c < channels && !td_split_plain(s); c++) {
    const uint32_t bits = td_bits(from[c]);
    to[c] = (uint16_t)(bits >> 16);
    to[channels + c] = (uint16_t)bits;
  }
  return s;
}
TD_SHARED void td_split_places(uint16_t *to, uint16_t *spans, const float *base, const TdMoves *m, int parts,
                               int64_t place, int64_t count) {
  const int64_t channels = m->channels, stride = m->stride[m->n - 1];
  TdSpan all = { 0, UINT32_MAX };
  uint16_t *span = spans + 4;
  while (count > 0) {
    const TdLineOf x = td_line_of(m, place, count);
    for (int64_t i = 0; i < x.count; i++, to += parts * channels, span += 4) {
      TdSpan s = { 0, UINT32_MAX };
      const float *const from = base + x.at + (i - x.from) * stride;
      if (i < x.from || i >= x.to) __builtin_memset(to, 0, (size_t)(parts * channels) * sizeof *to);
      else s = parts == 3 ? td_split_place(to, 3, from, channels) : td_split_place(to, 2, from, channels);
      __builtin_memcpy(span, &s, sizeof s);
      if (s.most > all.most) all.most = s.most;
      if (s.least < all.least) all.least = s.least;
    }
    place += x.count;
    count -= x.count;
  }
  __builtin_memcpy(spans, &all, sizeof all);
}
/* 32 places of 16 channels, rows of `to` `pitch` apart; part planes `plane`. */
TD_INLINE void td_split_turn(uint16_t *to, int64_t pitch, int64_t plane, const int parts, const float *base,
                             const int64_t *at, TdBits *most, TdBits *least) {
  TdVec low[16], high[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; i++) {
    low[i] = at[i] < 0 ? (TdVec){ 0 } : td_load(base + at[i]);
    high[i] = at[16 + i] < 0 ? (TdVec){ 0 } : td_load(base + at[16 + i]);
  }
  td_transpose(low);
  td_transpose(high);
#pragma GCC unroll 4
  for (int r = 0; r < 16; r++) {
    TdBits x = (TdBits)low[r], y = (TdBits)high[r];
    td_split_see(most, least, x);
    td_split_see(most, least, y);
#pragma GCC unroll 3
    for (int p = 0; p < parts; p++) {
      const TdBits first = td_split_part(&x, p), second = td_split_part(&y, p);
      TdBits both;
      __asm__("vcvtne2ps2bf16 %1, %2, %0" : "=v"(both) : "v"(first), "v"(second));
      *(TdBitsMem *)(to + p * plane + r * pitch) = both;
    }
  }
}
/* Halves of bits, in the first two copies. */
TD_INLINE void td_split_turn_bits(uint16_t *to, int64_t pitch, int64_t plane, const float *base, const int64_t *at) {
  for (int i = 0; i < TD_SPLIT_SIDE; i++)
    for (int r = 0; r < 16; r++) {
      const uint32_t bits = at[i] < 0 ? 0 : td_bits(base[at[i] + r]);
      to[r * pitch + i] = (uint16_t)(bits >> 16);
      to[plane + r * pitch + i] = (uint16_t)bits;
    }
}
TD_SHARED void td_split_turned(uint16_t *to, uint16_t *spans, int64_t pitch, const float *base, const TdMoves *m,
                               int parts, int64_t channels, int64_t place, int64_t count) {
  const int64_t plane = channels * pitch;
  TdSpan all = { 0, UINT32_MAX };
  for (int bits = 0; bits < 2; bits++) {
    TdBits most = { 0 }, least = ~(TdBits){ 0 };
    for (int64_t p = 0; p < count; p += TD_SPLIT_SIDE) {
      int64_t at[TD_SPLIT_SIDE];
      td_places_at(at, m, place + p, td_split_up_to(count - p));
      for (int64_t c = 0; c < channels; c += 16) {
        uint16_t *const cell = to + c * pitch + p;
        if (bits) td_split_turn_bits(cell, pitch, plane, base + c, at);
        else if (parts == 3) td_split_turn(cell, pitch, plane, 3, base + c, at, &most, &least);
        else td_split_turn(cell, pitch, plane, 2, base + c, at, &most, &least);
      }
    }
    if (!bits) all = td_split_seen(most, least);
    if (td_split_plain(all)) break;
  }
  __builtin_memcpy(spans, &all, sizeof all);
  __builtin_memcpy(spans + 4, &all, sizeof all);
}

/* ---- tiles ------------------------------------------------------------------------- */
/* Of what comes next, a share of `slots`, between any two instructions of tiles: on processors
 * whose core is shared with another thread these overlap only so (see td_narrow_square). */
TD_INLINE void td_split_ahead(const uint16_t *a, const uint16_t *b, const int parts, const int slot, const int slots) {
  const int lines = parts * TD_SPLIT_SIDE, from = slot * lines / slots, to = (slot + 1) * lines / slots;
#pragma GCC unroll 3
  for (int line = from; line < to; line++) {
    __builtin_prefetch(a + line * TD_SPLIT_SIDE);
    __builtin_prefetch(b + line * TD_SPLIT_SIDE);
  }
}
#define TD_SPLIT_AHEAD(slot) \
  td_split_ahead(next_a, next_b, parts, turn * 8 + (slot), parts == 3 ? 48 : 24)
#define TD_SPLIT_LOAD_A(tile, part, half) TD_TMM_LOAD(tile, a + (part) * a_part + (half) * a_half, a_bytes)
#define TD_SPLIT_LOAD_B(tile, part, half) TD_TMM_LOAD(tile, b + (part) * TD_SPLIT_PART + (half) * TD_NARROW_TILE, 64)
/* The parts' product that is number `turn` of a step: a part of A by that of B that is there, or the
 * other way round. What is not kept for the next one is cleared. */
#define TD_SPLIT_BY_A(number, part, keep_a, keep_b) \
  do { \
    enum { turn = number }; \
    TD_SPLIT_LOAD_A(4, part, 0); \
    TD_SPLIT_AHEAD(0); \
    TD_TMM_DOT(0, 4, 6); \
    TD_SPLIT_AHEAD(1); \
    if (broad > 1) TD_TMM_DOT(1, 4, 7); \
    TD_SPLIT_AHEAD(2); \
    if (!(keep_a)) TD_TMM_ZERO(4); \
    TD_SPLIT_AHEAD(3); \
    if (high > 1) TD_SPLIT_LOAD_A(5, part, 1); \
    TD_SPLIT_AHEAD(4); \
    if (high > 1) TD_TMM_DOT(2, 5, 6); \
    TD_SPLIT_AHEAD(5); \
    if (!(keep_b)) TD_TMM_ZERO(6); \
    if (high > 1 && broad > 1) TD_TMM_DOT(3, 5, 7); \
    TD_SPLIT_AHEAD(6); \
    if (!(keep_a)) TD_TMM_ZERO(5); \
    TD_SPLIT_AHEAD(7); \
    if (!(keep_b)) TD_TMM_ZERO(7); \
  } while (0)
#define TD_SPLIT_BY_B(number, part, keep_a, keep_b) \
  do { \
    enum { turn = number }; \
    TD_SPLIT_LOAD_B(6, part, 0); \
    TD_SPLIT_AHEAD(0); \
    TD_TMM_DOT(0, 4, 6); \
    TD_SPLIT_AHEAD(1); \
    if (high > 1) TD_TMM_DOT(2, 5, 6); \
    TD_SPLIT_AHEAD(2); \
    if (!(keep_b)) TD_TMM_ZERO(6); \
    TD_SPLIT_AHEAD(3); \
    if (broad > 1) TD_SPLIT_LOAD_B(7, part, 1); \
    TD_SPLIT_AHEAD(4); \
    if (broad > 1) TD_TMM_DOT(1, 4, 7); \
    TD_SPLIT_AHEAD(5); \
    if (!(keep_a)) TD_TMM_ZERO(4); \
    if (high > 1 && broad > 1) TD_TMM_DOT(3, 5, 7); \
    TD_SPLIT_AHEAD(6); \
    if (!(keep_a)) TD_TMM_ZERO(5); \
    TD_SPLIT_AHEAD(7); \
    if (!(keep_b)) TD_TMM_ZERO(7); \
  } while (0)
/* A at so many 32 of k. */
TD_INLINE const uint16_t *td_split_step(const TdSplit *t, int64_t step) {
  return t->a + (t->taps ? t->taps[step] : (t->skip_a + step) * t->parts * TD_SPLIT_PART);
}
/* `high` x `broad` tiles of C; `whole`: all four. The small products of a step come first; the tiles of one
 * operand stay where the next product has them too. */
TD_INLINE void td_split_square(const TdSplit *t, const uint16_t *panel, float *c, const int parts, const int whole,
                               const int high, const int broad) {
  const int64_t steps = td_split_steps(t->depth), cell = parts * TD_SPLIT_PART;
  const int64_t a_bytes = t->a_row * 2, a_half = t->a_half, a_part = t->a_part;
  const uint16_t *const first_a = td_split_step(t, 0), *const first_b = panel + t->skip_b * cell;
  const uint16_t *a = first_a, *b = first_b;
  TdFetch *const next = td_narrow_next(t->fetch, t->fetches);
  TdFetch fetch = *next;
  td_narrow_start();
  for (int r = 0; t->far && r < high * TD_NARROW_ROWS; r++) {
    __builtin_prefetch(c + r * t->c_stride, 1);
    __builtin_prefetch(c + r * t->c_stride + 16, 1);
  }
  for (int64_t step = 1; step <= steps; step++) {
    const uint16_t *const next_b = step < steps ? b + cell : first_b + t->panel,
                   *const next_a = t->taps ? next_b : step < steps ? a + cell : first_a; /* places are near */
    TD_SPLIT_LOAD_A(4, 0, 0);
    if (high > 1) TD_SPLIT_LOAD_A(5, 0, 1);
    if (parts == 3) {
      TD_SPLIT_BY_B(0, 2, 1, 0);
      TD_SPLIT_BY_B(1, 1, 0, 1);
      TD_SPLIT_BY_A(2, 1, 1, 0);
      td_fetch(&fetch);
      TD_SPLIT_BY_B(3, 0, 0, 1);
      TD_SPLIT_BY_A(4, 2, 0, 1);
      TD_SPLIT_BY_A(5, 0, 0, 0);
    } else {
      TD_SPLIT_BY_B(0, 1, 0, 0);
      td_fetch(&fetch);
      TD_SPLIT_LOAD_B(6, 0, 0);
      if (broad > 1) TD_SPLIT_LOAD_B(7, 0, 1);
      TD_SPLIT_BY_A(1, 1, 0, 1);
      TD_SPLIT_BY_A(2, 0, 0, 0);
    }
    if (step < steps) a = td_split_step(t, step);
    b += cell;
  }
  *next = fetch;
  if (whole) td_narrow_finish(c, t->c_stride, t->add, 2, 2);
  else td_narrow_finish_edge(c, t->c_stride, t->add, high, broad);
}
/* 32 columns of C. At the edges the number of tiles is no constant, and this is nobody's own: each
 * square more takes as long to compile as all the rest of a kernel. */
static TD_APART void td_split_tiles(const TdSplit *t, const uint16_t *b, float *c, int64_t columns) {
  const int high = t->rows > 16 ? 2 : 1, broad = columns > 16 ? 2 : 1;
  if (t->parts == 3) {
    if (high + broad == 4) td_split_square(t, b, c, 3, 1, 2, 2);
    else td_split_square(t, b, c, 3, 0, high, broad);
  } else {
    if (high + broad == 4) td_split_square(t, b, c, 2, 1, 2, 2);
    else td_split_square(t, b, c, 2, 0, high, broad);
  }
}

/* 16 numbers again, of their parts; those of a cell that is not plain are of halves of bits. */
TD_INLINE TdBits td_split_sum(TdBits high, TdBits middle, TdBits low, const int plain) {
  return plain ? (TdBits)((TdVec)high + ((TdVec)middle + (TdVec)low)) : high | middle >> 16;
}
typedef uint16_t TdLine __attribute__((vector_size(32), aligned(2), may_alias));
TD_INLINE TdBits td_split_line(const uint16_t *x) { return __builtin_convertvector(*(const TdLine *)x, TdBits) << 16; }
TD_INLINE TdBits td_split_words(const uint16_t *x) { return *(const TdBitsMem *)x; }
/* A cell's numbers again, [row][k] of A, [k][column] of B. */
TD_INLINE void td_split_join(float *to, const uint16_t *cell, const uint16_t *span, const int is_b, int parts) {
  const TdBits none = { 0 };
  TdSpan s;
  __builtin_memcpy(&s, span, sizeof s);
  const int plain = td_split_plain(s);
  for (int i = 0; i < 2 * TD_SPLIT_SIDE; i++) {
    const uint16_t *x = cell + i * 16, *y = x + TD_SPLIT_PART, *z = y + TD_SPLIT_PART;
    if (!is_b)
      *(TdBitsMem *)(to + i * 16) =
        td_split_sum(td_split_line(x), td_split_line(y), parts == 3 ? td_split_line(z) : none, plain);
  }
  for (int i = 0; is_b && i < TD_SPLIT_SIDE; i++) { /* pairs of k */
    const uint16_t *x = cell + i * 32, *y = x + TD_SPLIT_PART, *z = y + TD_SPLIT_PART;
    const TdBits high = td_split_words(x), middle = td_split_words(y), low = parts == 3 ? td_split_words(z) : none;
    float *const place = to + i % 16 * 2 * TD_SPLIT_SIDE + i / 16 * 16;
    *(TdBitsMem *)place = td_split_sum(high << 16, middle << 16, low << 16, plain);
    *(TdBitsMem *)(place + TD_SPLIT_SIDE) =
      td_split_sum(high & 0xffff0000u, middle & 0xffff0000u, low & 0xffff0000u, plain);
  }
}
/* The spans of the steps that are multiplied. */
TD_INLINE const uint16_t *td_split_spans_a(const TdSplit *t) {
  const int64_t steps = t->steps_a ? t->steps_a : td_split_steps(t->depth);
  return t->a + steps * t->parts * TD_SPLIT_PART + t->skip_a * 4;
}
TD_INLINE const uint16_t *td_split_spans_b(const TdSplit *t, const uint16_t *panel) {
  return panel + td_split_spans_at(t->panel, t->parts) + t->skip_b * 4;
}
/* The same of 32 of k in rows of places. */
TD_INLINE void td_split_join_places(float *to, const TdSplit *t, int64_t step, int64_t rows) {
  for (int64_t r = 0; r < rows; r++) {
    const uint16_t *x = td_split_step(t, step) + r / 16 * t->a_half + r % 16 * t->a_row;
    TdSpan s;
    __builtin_memcpy(&s, t->spans + 4 + (x - t->places) / t->place * 4, sizeof s);
    for (int i = 0; i < TD_SPLIT_SIDE; i += 16)
      *(TdBitsMem *)(to + r * TD_SPLIT_SIDE + i) = td_split_sum(
        td_split_line(x + i), td_split_line(x + t->a_part + i),
        t->parts == 3 ? td_split_line(x + 2 * t->a_part + i) : (TdBits){ 0 }, td_split_plain(s));
  }
}
/* 32 columns of C, as td_tile_body sums them. */
static TD_APART void td_split_floats(const TdSplit *t, const uint16_t *b, float *c, int64_t columns) {
  enum { SIDE = TD_SPLIT_SIDE, ROWS = 4 };
  const int64_t cell = t->parts * TD_SPLIT_PART, rows = t->rows > 16 ? 32 : 16;
  float x[TD_SPLIT_PART] __attribute__((aligned(64))), y[TD_SPLIT_PART] __attribute__((aligned(64)));
  TdVec sum[SIDE][2];
  __builtin_memset(sum, 0, sizeof sum);
  const int64_t steps = td_split_steps(t->depth);
  for (int64_t step = 0; step < steps; step++) {
    const int64_t depth = td_split_up_to(t->depth - step * SIDE); /* -0 + 0 0 is 0: nothing is added that is none of k */
    const uint16_t *of_a = t->a + (t->skip_a + step) * cell, *of_b = b + (t->skip_b + step) * cell,
                   *span_a = td_split_spans_a(t) + step * 4, *span_b = td_split_spans_b(t, b) + step * 4;
    if (t->taps) td_split_join_places(x, t, step, rows);
    else td_split_join(x, of_a, span_a, 0, t->parts);
    td_split_join(y, of_b, span_b, 1, t->parts);
    for (int r = 0; r < rows; r += ROWS)
      for (int64_t k = 0; k < depth; k++)
#pragma GCC unroll 4
        for (int i = r; i < r + ROWS; i++) {
          sum[i][0] += x[i * SIDE + k] * td_load(y + k * SIDE);
          sum[i][1] += x[i * SIDE + k] * td_load(y + k * SIDE + 16);
        }
  }
  for (int r = 0; r < rows; r++)
    for (int v = 0; v < (columns > 16 ? 2 : 1); v++) {
      float *const to = c + r * t->c_stride + v * 16;
      td_store(to, t->add ? sum[r][v] + td_load(to) : sum[r][v]);
    }
}
/* 32 columns of C whose products may be too small for tiles; false: then so is a sum. What is
 * lost is below 2^-113, and counts in sums below 2^-86. */
static TD_APART int td_split_small(const TdSplit *t, const uint16_t *b, float *c, int64_t columns) {
  float sum[TD_SPLIT_PART] __attribute__((aligned(64)));
  TdSplit own = *t;
  own.c_stride = TD_SPLIT_SIDE;
  own.add = own.far = 0;
  td_split_tiles(&own, b, sum, columns);
  int small = 0;
  for (int64_t r = 0; r < t->rows; r++)
    for (int64_t j = 0; j < td_split_up_to(columns); j++)
      small |= __builtin_fabsf(sum[r * TD_SPLIT_SIDE + j]) < 0x1p-86f;
  if (small) return 0;
  for (int64_t r = 0; r < (t->rows > 16 ? 32 : 16); r++)
    for (int v = 0; v < (columns > 16 ? 2 : 1); v++) {
      float *const to = c + r * t->c_stride + v * 16;
      const TdVec x = td_load(sum + r * TD_SPLIT_SIDE + v * 16);
      td_store(to, t->add ? td_load(to) + x : x);
    }
  return 1;
}
TD_SHARED void td_split_row(const TdSplit *t) {
  const int lent = td_tiles_lent();
  const int64_t steps = td_split_steps(t->depth);
  const TdSpan rows = t->taps ? td_split_span(t->spans, 1) : td_split_span(td_split_spans_a(t), steps);
  const uint16_t *b = t->b;
  for (int64_t j = 0; j < t->columns; j += TD_NARROW_COLUMNS, b += t->panel) {
    const int64_t columns = t->columns - j;
    const TdSpan panel = td_split_span(td_split_spans_b(t, b), steps);
    if (!lent || !td_split_fits(rows, panel)) td_split_floats(t, b, t->c + j, columns);
    else if (!td_split_keeps(rows, panel)) {
      if (!td_split_small(t, b, t->c + j, columns)) td_split_floats(t, b, t->c + j, columns);
    } else td_split_tiles(t, b, t->c + j, columns);
  }
}
#endif
#endif

#endif
