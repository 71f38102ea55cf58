/* SPDX-License-Identifier: MIT */
/* Random texts: what the interpreter of syntax trees says they mean, against the evaluator and
 * compiled kernels, values and gradients.
 *
 *   test_text_random [COUNT [FIRST [KERNELS]]]    every KERNELS-th batch is compiled; 0: none
 *
 * Alone (COUNT is 1) a text is printed. Not every text is a program: integers that may not fit
 * are refused, which is right as well. How many were, how many the interpreter does not cover
 * and how many numbers were compared is said, and bounded. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/randtext/randtext.h"
#include "tests/textcase.h"

#include <unistd.h>

enum { BATCH = 60, CODES = 1000 };

typedef struct Counts {
  int same[TEXT_THEMES], refused[TEXT_THEMES], uncovered, failed, compiled;
  int64_t compared, gradients;
  int codes[CODES];
} Counts;

/* What may be refused: integers that do not fit. */
static bool may_be_refused(int code) {
  static const int codes[] = {104, 227};
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
    if (codes[i] == code) return true;
  return false;
}

/* The compiler's own errors end the process: of which text it was is said. */
static volatile sig_atomic_t running;
static void say_running(int signal) {
  char said[64] = "\nFAILS: the process ends at seed ";
  int n = (int)strlen(said), digits = 1;
  for (long long left = running; left >= 10; left /= 10) digits++;
  for (int i = 0, left = running; i < digits; i++, left /= 10)
    said[n + digits - 1 - i] = (char)('0' + left % 10);
  said[n + digits] = '\n';
  if (write(2, said, (size_t)(n + digits + 1)) < 0) _exit(signal);
}

static TextVerdict verdict_of(const char *text, uint64_t seed, bool kernels, bool print) {
  TextCase t;
  running = (sig_atomic_t)seed;
  textcase_open(&t, text, seed, kernels);
  if (kernels) textcase_kernels(&t, 1);
  if (print) fprintf(stderr, "%s\n%s", text, t.said.s ? t.said.s : "");
  TextVerdict v = t.verdict;
  textcase_close(&t);
  return v;
}

typedef struct Failing {
  uint64_t seed;
  bool kernels;
} Failing;

static bool fails(const char *text, void *ctx) {
  const Failing *f = ctx;
  return verdict_of(text, f->seed, f->kernels, false) == TEXT_DIFFERS;
}

static void report(RandText *t, bool kernels) {
  Failing f = {t->seed, kernels};
  fprintf(stderr, "FAILS: seed %llu\n", (unsigned long long)t->seed);
  randtext_shrink(t, fails, &f);
  verdict_of(randtext_print(t), t->seed, kernels, true);
}

static void count_refused(Counts *n, const TextCase *t, int theme) {
  n->refused[theme]++;
  if (t->code >= 0 && t->code < CODES) n->codes[t->code]++;
  if (may_be_refused(t->code)) return;
  n->failed++;
  fprintf(stderr, "FAILS: seed %llu is no program\n%s\n%s\n", (unsigned long long)t->seed, t->text,
          t->said.s);
}

static void run_batch(Counts *n, uint64_t first, int count, bool kernels, bool print) {
  static TextCase cases[BATCH];
  Arena *a = arena_new();
  RandText *texts = NEWN(a, RandText, count);
  for (int i = 0; i < count; i++) {
    texts[i] = randtext_new(a, first + (uint64_t)i);
    const char *text = randtext_print(&texts[i]);
    if (print) printf("%s", text);
    running = (sig_atomic_t)texts[i].seed;
    textcase_open(&cases[i], text, texts[i].seed, kernels);
  }
  bool before[BATCH];
  for (int i = 0; i < count; i++) before[i] = cases[i].verdict == TEXT_DIFFERS;
  if (kernels) textcase_kernels(cases, count);
  for (int i = 0; i < count; i++) {
    TextCase *t = &cases[i];
    if (t->verdict == TEXT_SAME) n->same[texts[i].theme]++, n->compiled += kernels;
    if (t->verdict == TEXT_REFUSED) count_refused(n, t, texts[i].theme);
    n->uncovered += t->verdict == TEXT_UNCOVERED;
    if (t->verdict == TEXT_UNCOVERED || (print && t->said.s))
      fprintf(stderr, "seed %llu: %s", (unsigned long long)t->seed, t->said.s);
    n->compared += t->compared;
    n->gradients += t->gradients;
    if (t->verdict == TEXT_DIFFERS) n->failed++, report(&texts[i], kernels && !before[i]);
    textcase_close(t);
  }
  arena_free(a);
}

int main(int argc, char **argv) {
  const char *longer = getenv("TDC_TEST_LONG");
  int count = argc > 1 ? atoi(argv[1]) : longer && *longer == '1' ? 20000 : 1200;
  uint64_t first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
  int kernels = argc > 3 ? atoi(argv[3]) : count == 1 ? 1 : 10;
  Counts n = {0};
  signal(SIGABRT, say_running);
  for (int at = 0, batch = 0; at < count && n.failed < 5; at += BATCH, batch++)
    run_batch(&n, first + (uint64_t)at, count - at < BATCH ? count - at : BATCH,
              kernels && batch % kernels == 0, count == 1);
  int same = 0, refused = 0;
  for (int i = 0; i < TEXT_THEMES; i++) same += n.same[i], refused += n.refused[i];
  fprintf(stderr,
          "%d compared (%d with kernels, %lld numbers, %lld of gradients), %d refused:", same,
          n.compiled, (long long)n.compared, (long long)n.gradients, refused);
  for (int i = 0; i < CODES; i++)
    if (n.codes[i]) fprintf(stderr, " %d of E%04d", n.codes[i], i);
  fprintf(stderr, "; %d not covered; by theme", n.uncovered);
  for (int i = 0; i < TEXT_THEMES; i++)
    fprintf(stderr, " %d of %d", n.same[i], n.same[i] + n.refused[i]);
  fprintf(stderr, "\n");
  /* what compares little says little */
  if (count >= 200 && n.failed == 0 &&
      (same < count * 3 / 4 || n.uncovered > count / 100 || n.gradients < count)) {
    fprintf(stderr, "FAILS: too few programs are compared\n");
    n.failed++;
  }
  printf("%d passed, %d failed\n", same, n.failed);
  return n.failed != 0;
}
