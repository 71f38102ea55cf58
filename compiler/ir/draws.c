/* SPDX-License-Identifier: MIT */
/* The random generator: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel
 * random numbers: as easy as 1, 2, 3", SC 2011). A draw is a pure function of
 * (seed, step, site, number); emitted code repeats the same arithmetic. */
#include "compiler/ir/draws.h"

#include <math.h>
#include <stdbool.h>

void philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
  uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
  uint32_t k0 = key[0], k1 = key[1];
  for (int round = 0; round < 10; round++) {
    uint64_t p0 = (uint64_t)UINT32_C(0xD2511F53) * c0;
    uint64_t p1 = (uint64_t)UINT32_C(0xCD9E8D57) * c2;
    uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
    uint32_t n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
    c1 = (uint32_t)p1;
    c3 = (uint32_t)p0;
    c0 = n0;
    c2 = n2;
    k0 += UINT32_C(0x9E3779B9);
    k1 += UINT32_C(0xBB67AE85);
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

/* The four words of a block serve 4 draws. Draws are numbered by 64s, word by
 * word of 16 blocks side by side, which suits vectors of 4, 8 and 16 lanes: draw
 * n has word n / 16 % 4 of block 16 (n / 64) + n % 16. */
enum Half { UPPER, LOWER }; /* of 64 bits; the lower halves are blocks of their own */
static uint32_t draw_block(uint64_t seed, uint64_t step, uint32_t site, uint64_t number,
                           enum Half half, uint32_t out[4]) {
  uint64_t block = (number / 64 * 16 + number % 16) | (uint64_t)half << 63;
  uint32_t c[4] = {(uint32_t)block, (uint32_t)(block >> 32), (uint32_t)step,
                   (uint32_t)(step >> 32)};
  uint32_t k[2] = {(uint32_t)seed ^ site, (uint32_t)(seed >> 32)};
  philox4x32(c, k, out);
  return number / 16 % 4;
}

/* 24 bits, so that the float of generated code holds the same value. */
static const double unit = 1.0 / 16777216.0;

double draw_uniform(uint64_t seed, uint64_t step, uint32_t site, uint64_t number) {
  uint32_t out[4], word = draw_block(seed, step, site, number, UPPER, out);
  return (out[word] >> 8) * unit;
}

static uint32_t draw_word(uint64_t seed, uint64_t step, uint32_t site, uint64_t number,
                          enum Half half) {
  uint32_t out[4], word = draw_block(seed, step, site, number, half, out);
  return out[word];
}

/* How far u is from the end of (0, 1) that is nearer: 31 bits of the upper word, and the
 * lower one where these are less than the 24 of a float. *one: that end is 1. */
static double from_end(uint64_t seed, uint64_t step, uint32_t site, uint64_t number, bool *one) {
  uint32_t upper = draw_word(seed, step, site, number, UPPER);
  *one = upper >> 31;
  if (*one) upper = ~upper;
  if (upper >> 23) return (double)(float)upper * 0x1p-32;
  uint32_t lower = draw_word(seed, step, site, number, LOWER);
  if (*one) lower = ~lower;
  uint64_t both = (uint64_t)upper << 32 | lower;
  return (double)(float)(both ? both : 1) * 0x1p-64;
}

double draw_log_uniform(uint64_t seed, uint64_t step, uint32_t site, uint64_t number) {
  bool one;
  double x = from_end(seed, step, site, number, &one);
  return one ? log1p(-x) : log(x);
}

double draw_log_rest(uint64_t seed, uint64_t step, uint32_t site, uint64_t number) {
  bool one;
  double x = from_end(seed, step, site, number, &one);
  return one ? log(x) : log1p(-x);
}

/* upper n / 2^32 + lower n / 2^64, rounded down: neither sum nor product leaves 64 bits */
int64_t draw_pick(uint64_t seed, uint64_t step, uint32_t site, uint64_t number, int64_t n) {
  if (n < 1) return 0;
  const uint64_t m = n < INT64_C(1) << 31 ? (uint64_t)n : UINT64_C(1) << 31;
  uint64_t upper = draw_word(seed, step, site, number, UPPER);
  uint64_t lower = draw_word(seed, step, site, number, LOWER);
  return (int64_t)((upper * m + (lower * m >> 32)) >> 32);
}

/* Box-Muller: words 2 p and 2 p + 1 make draw 2 p by the cosine and draw 2 p + 1
 * by the sine, which is the cosine a quarter turn back. u1 lies in (0, 1], so
 * the logarithm is finite. */
double draw_normal(uint64_t seed, uint64_t step, uint32_t site, uint64_t number) {
  uint32_t out[4], word = draw_block(seed, step, site, number, UPPER, out), pair = word & 2;
  uint32_t turn = out[pair + 1] - ((word & 1) << 30);
  double u1 = ((out[pair] >> 8) + 1) * unit, u2 = (turn >> 8) * unit;
  return sqrt(-2 * log(u1)) * cos(6.283185307179586 * u2);
}

/* FNV-1a, then a finaliser so that names that differ in their last letter
 * differ in every bit. */
uint32_t draw_site(const char *qualified_name) {
  uint32_t h = UINT32_C(2166136261);
  for (const unsigned char *s = (const unsigned char *)qualified_name; *s; s++)
    h = (h ^ *s) * UINT32_C(16777619);
  h ^= h >> 16;
  h *= UINT32_C(0x85ebca6b);
  h ^= h >> 13;
  h *= UINT32_C(0xc2b2ae35);
  return h ^ h >> 16;
}
