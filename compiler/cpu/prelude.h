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

#include "compiler/emit/scalar.h"

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
