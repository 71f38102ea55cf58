/* The rest of the prelude's third part: the tiles of prelude_narrow.h, whose packed operands a
 * function of 32 rows multiplies, by what the processor does fastest (TD_NARROW_BODY). */
#ifndef TD_PRELUDE_TILES
#define TD_PRELUDE_TILES

#ifndef TD_PRELUDE_NARROW
#include "compiler/cpu/prelude_narrow.h"
#endif

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
/* Where kernels are tried on processors without tiles these are functions (tests/amx_emu/amx.h). */
#ifndef TD_TMM_DOT
extern long syscall(long number, ...);
#define TD_TMM_OPEN(shape) __asm__ volatile("ldtilecfg %0" : : "m"(shape))
#define TD_TMM_CLOSE() __asm__ volatile("tilerelease" : : : "memory")
#define TD_TMM_ZERO(t) __asm__ volatile("tilezero %%tmm" #t : :)
#define TD_TMM_LOAD(t, p, bytes) \
  __asm__ volatile("tileloadd (%0,%1,1), %%tmm" #t : : "r"(p), "r"((int64_t)(bytes)) : "memory")
#define TD_TMM_STORE(t, p, bytes) \
  __asm__ volatile("tilestored %%tmm" #t ", (%0,%1,1)" : : "r"(p), "r"((int64_t)(bytes)) : "memory")
#define TD_TMM_DOT(c, a, b) __asm__ volatile("tdpbf16ps %%tmm" #b ", %%tmm" #a ", %%tmm" #c : :)
#endif
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
  if (td_tiles_lent()) TD_TMM_OPEN(shape);
}
TD_SHARED void td_narrow_close(void) {
  if (td_tiles_lent()) TD_TMM_CLOSE();
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
