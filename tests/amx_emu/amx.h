/* SPDX-License-Identifier: MIT */
/* The tiles of AMX in C, for kernels on processors that have none but AVX-512 with bf16: -include
 * this, -mamx-tile and -mamx-bf16 make them what they are on a Sapphire Rapids, but for the time
 * they take. An instruction before the tiles have a shape, or a shape that is unlike all the
 * project's, stops the process with a message.
 *
 * TDPBF16PS as Intel's manual says it (Software Developer's Manual, volume 2): pairs of k are
 * summed in two numbers, of the even and of the odd ones, by multiply-adds that round once, from 0
 * on; their sum is added to C. Numbers below 2^-126 are taken and given as 0; it rounds to nearest,
 * whatever the thread has set. test_amx.c holds it against a processor, where there is one. */
#ifndef AMX_EMU
#define AMX_EMU

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { AMX_TILES = 8, AMX_ROWS = 16, AMX_ROW = 64 }; /* bytes */
typedef struct AmxShape {
  uint8_t palette, start, none[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
} AmxShape;
typedef struct AmxTiles {
  int shaped;
  uint8_t tile[AMX_TILES][AMX_ROWS][AMX_ROW] __attribute__((aligned(64)));
} AmxTiles;
/* One for all units of a library. */
__attribute__((weak, visibility("hidden"))) _Thread_local AmxTiles amx;

static inline __attribute__((unused)) void amx_need(int fine, const char *why) {
  if (fine) return;
  static const char begin[] = "emulated tiles: ";
  if (write(2, begin, sizeof begin - 1) < 0 || write(2, why, strlen(why)) < 0 ||
      write(2, "\n", 1) < 0)
    abort();
  abort();
}
static inline __attribute__((unused)) uint8_t (*amx_tile(int t))[AMX_ROW] {
  amx_need(amx.shaped, "an instruction before their shape is set, or after they were released");
  return amx.tile[t];
}

static inline __attribute__((unused)) void amx_open(const void *from) {
  AmxShape s;
  memcpy(&s, from, sizeof s);
  int fine = s.palette == 1 && s.start == 0;
  for (int i = 0; i < 14; i++) fine &= s.none[i] == 0;
  for (int t = 0; t < 16; t++)
    fine &= t < AMX_TILES ? s.row_bytes[t] == AMX_ROW && s.rows[t] == AMX_ROWS
                          : s.row_bytes[t] == 0 && s.rows[t] == 0;
  amx_need(fine, "a shape other than eight tiles of 16 rows of 64 bytes");
  memset(amx.tile, 0, sizeof amx.tile);
  amx.shaped = 1;
}
static inline __attribute__((unused)) void amx_close(void) { amx.shaped = 0; }
static inline __attribute__((unused)) void amx_zero(int t) {
  memset(amx_tile(t), 0, AMX_ROWS * AMX_ROW);
}
static inline __attribute__((unused)) void amx_load(int t, const void *from, int64_t stride) {
  uint8_t(*const to)[AMX_ROW] = amx_tile(t);
  for (int r = 0; r < AMX_ROWS; r++) memcpy(to[r], (const char *)from + r * stride, AMX_ROW);
}
static inline __attribute__((unused)) void amx_store(int t, void *to, int64_t stride) {
  uint8_t(*const from)[AMX_ROW] = amx_tile(t);
  for (int r = 0; r < AMX_ROWS; r++) memcpy((char *)to + r * stride, from[r], AMX_ROW);
}

typedef float AmxFloats __attribute__((vector_size(AMX_ROW)));
typedef uint32_t AmxWords __attribute__((vector_size(AMX_ROW)));
/* Instructions that stay between those that set how numbers are rounded. */
#define AMX_MUL_ADD(c, a, b) \
  __asm__ volatile("vfmadd231ps %2, %1, %0" : "+v"(c) : "v"((AmxFloats)(a)), "v"((AmxFloats)(b)))
#define AMX_ADD(c, a) __asm__ volatile("vaddps %1, %0, %0" : "+v"(c) : "v"(a))
static inline __attribute__((unused)) void amx_dot(int sum, int left, int right) {
  uint8_t(*const c)[AMX_ROW] = amx_tile(sum), (*const a)[AMX_ROW] = amx_tile(left),
                 (*const b)[AMX_ROW] = amx_tile(right);
  const AmxWords odd = (AmxWords){0} + 0xffff0000u;
  const unsigned before = __builtin_ia32_stmxcsr();
  __builtin_ia32_ldmxcsr(
      0x9fc0); /* no exceptions, to nearest, small numbers are 0 as factors and as results */
  for (int r = 0; r < AMX_ROWS; r++) {
    AmxFloats sums[2] = {{0}, {0}}, all;
    for (int k = 0; k < AMX_ROWS; k++) {
      uint32_t pair;
      AmxWords x, y;
      memcpy(&pair, a[r] + 4 * k, sizeof pair);
      memcpy(&y, b[k], sizeof y);
      x = (AmxWords){0} + pair;
      AMX_MUL_ADD(sums[0], x << 16, y << 16);
      AMX_MUL_ADD(sums[1], x & odd, y & odd);
    }
    AMX_ADD(sums[0], sums[1]);
    memcpy(&all, c[r], sizeof all);
    AMX_ADD(all, sums[0]);
    memcpy(c[r], &all, sizeof all);
  }
  __builtin_ia32_ldmxcsr(before);
}

/* What prelude_tiles.h makes of instructions elsewhere. */
#define TD_TMM_OPEN(shape) amx_open(&(shape))
#define TD_TMM_CLOSE() amx_close()
#define TD_TMM_ZERO(t) amx_zero(t)
#define TD_TMM_LOAD(t, from, bytes) amx_load(t, from, bytes)
#define TD_TMM_STORE(t, to, bytes) amx_store(t, to, bytes)
#define TD_TMM_DOT(c, a, b) amx_dot(c, a, b)
/* The system lends them, unless somebody else answers for it. */
#ifdef syscall
extern long syscall(long number, ...);
#else
static inline __attribute__((unused)) long amx_lend(long number, int code, int what) {
  return number == 158 && code == 0x1023 && what == 18 ? 0 : -1;
}
#define syscall(number, code, what) amx_lend(number, code, what)
#endif

#endif
