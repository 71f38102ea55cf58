/* SPDX-License-Identifier: MIT */
/* The generator of random numbers, shared by evaluator, emitter and runtime: a
 * number depends on the seed, the step, the site of the draw and its place there,
 * and on nothing that ran before. */
#ifndef TDC_DRAWS_H
#define TDC_DRAWS_H

#include <stdint.h>

void philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);
/* key = (seed low word ^ site, seed high word); counter = (low, high of a block, low,
 * high of `step`); block = number / 64 * 16 + number % 16; word = number / 16 % 4 */
double draw_uniform(uint64_t seed, uint64_t step, uint32_t site, uint64_t number);
/* log(u) and log(1 - u) of the same u with 64 bits, in 2^-64 .. 1 - 2^-64: below the word
 * is that of block + 2^63; from either end u has 24 significant bits, as floats have */
double draw_log_uniform(uint64_t seed, uint64_t step, uint32_t site, uint64_t number);
double draw_log_rest(uint64_t seed, uint64_t step, uint32_t site, uint64_t number);
/* 0 .. n - 1, n at most 2^31: the 64 bits times n, divided by 2^64, so that no number is
 * likelier than another by more than n / 2^64; 0 if n < 1 */
int64_t draw_pick(uint64_t seed, uint64_t step, uint32_t site, uint64_t number, int64_t n);
double draw_normal(uint64_t seed, uint64_t step, uint32_t site, uint64_t number);
uint32_t draw_site(const char *qualified_name);

#endif
