/* SPDX-License-Identifier: MIT */
/* A compiled program used from C, without tdc: initial parameters, a few training
 * steps on a text, then the sampler. Prints the row before training and the one
 * after it, between bars: line ends are symbols too.
 *
 *   cc -O3 -march=native -fopenmp-simd -I generated/golden tests/golden/sample.c
 *      generated/golden/tiny.c -lm -lpthread -o sample
 *   ./sample TEXT THREADS SEED */
#include "tiny.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 4, TRAINING = 20, LIMIT = 1 << 20 };

/* Symbols are numbered in the order of their bytes. */
typedef struct Text {
  unsigned char byte[LIMIT];
  int64_t size;
  int32_t id[256];
  int letter[256], letters;
} Text;

static int text_read(Text *t, const char *path) {
  FILE *f = fopen(path, "rb");
  if (f == NULL) return -1;
  t->size = (int64_t)fread(t->byte, 1, LIMIT, f);
  fclose(f);
  for (int64_t i = 0; i < t->size; i++) t->id[t->byte[i]] = 1;
  for (int c = 0; c < 256; c++) {
    if (!t->id[c]) continue;
    t->letter[t->letters] = c;
    t->id[c] = t->letters++;
  }
  return t->size > 0 ? 0 : -1;
}

/* t counts down, as the sampler's loop says; draws tell steps apart by the last argument. */
static int print_sample(tiny_Program *p, const Text *text, uint64_t seed) {
  int64_t count;
  if (tiny_run(p, "sample.walk.init", seed, 0) != 0) return -1;
  for (int k = 0; k < STEPS; k++) {
    *(int32_t *)tiny_input(p, "sample.walk.step", "t", &count) = STEPS - 1 - k;
    if ((k == 0 ? tiny_run : tiny_run_again)(p, "sample.walk.step", seed, k + 1) != 0) return -1;
  }
  if (tiny_run(p, "sample.walk.emit", seed, STEPS + 1) != 0) return -1;
  const int32_t *ids = tiny_output(p, "sample.walk.emit", "text", &count);
  if (ids == NULL) return -1;
  putchar('|');
  for (int64_t i = 0; i < count / 2; i++) putchar(text->letter[ids[i]]); /* the first of two rows */
  puts("|");
  return 0;
}

static int train(tiny_Program *p, const Text *text, uint64_t seed) {
  int64_t count;
  for (int step = 1; step <= TRAINING; step++) {
    int32_t *x = tiny_input(p, "train", "x", &count);
    if (x == NULL) return -1;
    for (int64_t i = 0; i < count; i++) x[i] = text->id[text->byte[(step * 31 + i) % text->size]];
    if (tiny_run(p, "train", seed, step) != 0) return -1;
    const float *loss = tiny_output(p, "train", "loss", &count);
    fprintf(stderr, "step %d: loss %g\n", step, loss != NULL ? (double)*loss : -1.0);
  }
  return 0;
}

int main(int argc, char **argv) {
  static Text text;
  if (argc != 4 || text_read(&text, argv[1]) != 0) return 2;
  uint64_t seed = strtoull(argv[3], NULL, 10);
  tiny_Program *p = tiny_create(atoi(argv[2]));
  if (p == NULL) return 3;
  int failed = tiny_run(p, "init", seed, 0) || print_sample(p, &text, seed) ||
               train(p, &text, seed) || print_sample(p, &text, seed) ||
               tiny_run(p, "no such entry", 0, 0) != -1;
  tiny_destroy(p);
  return failed;
}
