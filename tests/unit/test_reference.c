/* SPDX-License-Identifier: MIT */
/* The program without a C compiler: training, sampling, evaluation and models
 * on the reference evaluator give what compiled kernels give. Runs the tdc that
 * was built beside this test, in a folder of its own. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/sandbox.h"

enum { STEPS = 3 };

/* Draws in the loss and in the sampler: seed and step have to arrive. */
static const char model[] = SANDBOX_MODEL(
    "dropout(h, 0.2)") "sampler flat(steps = 2, temperature = 1.0, prompt = \"\") {\n"
                       "  state s[b in B, l in L, v in V] = normal()\n"
                       "  for t in 1 .. 0 steps steps { s[b,l,v] = s[b,l,v] + temperature * "
                       "normal() }\n"
                       "  emit prompt.given[l] ? prompt[l] : argmax[v](s[b,l,v])\n"
                       "}\n"
                       "train { loss main  adam(lr = 0.01)  batch B  steps 4  log every 1 }\n";

static const char note[] = "running on the reference evaluator";

/* The losses of a run told as lines of JSON: training steps, then validation. */
static int losses_of(const char *said, double *out, int most) {
  int n = 0;
  for (const char *p = said; (p = strstr(p, "\"loss\":")) != NULL && n < most; p++)
    out[n++] = strtod(p + strlen("\"loss\":"), NULL);
  return n;
}

static void same_losses(const char *line, const char *env, const double *want, int n) {
  double got[STEPS + 1];
  char *said = sandbox_tdc(line, env, 0);
  assert_int_equal(losses_of(said, got, STEPS + 1), n);
  for (int i = 0; i < n; i++)
    if (!(fabs(got[i] - want[i]) <= 1e-4 * fabs(want[i])))
      fail_msg("tdc %s: loss %d is %.9g, with kernels it is %.9g", line, i, got[i], want[i]);
  free(said);
}

static int enter_folder(void **state) {
  if (sandbox_enter(state) != 0) return -1;
  sandbox_write("m.td", model);
  return 0;
}

static void test_same_training(void **state) {
  (void)state;
  double want[STEPS + 1];
  char *said = sandbox_tdc("train m.td -o kernels --steps 3 --seed 7 --json -q", "LC_ALL=C", 0);
  int n = losses_of(said, want, STEPS + 1);
  free(said);
  assert_true(n >= STEPS);
  assert_true(want[0] != want[1]);
  same_losses("train m.td -o asked --steps 3 --seed 7 --json -q --reference", "LC_ALL=C", want, n);
  same_losses("train m.td -o named --steps 3 --seed 7 --json -q", "TDC_CC=/nonexistent", want, n);
  same_losses("train m.td -o none --steps 3 --seed 7 --json -q", "PATH=/nonexistent", want, n);
}

static void test_same_samples(void **state) {
  (void)state;
  static const char line[] = "sample m.td --weights kernels --prompt the --seed 3 -q";
  char *kernels = sandbox_tdc(line, "LC_ALL=C", 0),
       *without = sandbox_tdc(line, "TDC_CC=/nonexistent", 0);
  assert_true(strncmp(kernels, "the", 3) == 0 && strlen(kernels) == 9);
  assert_string_equal(kernels, without);
  free(kernels);
  free(without);
}

/* Said once, and only when nobody asked for it. */
static void test_note(void **state) {
  (void)state;
  const char *const gone = "TDC_CC=/nonexistent";
  sandbox_says("train m.td -o noted --steps 1", gone, 0, "tried $TDC_CC: /nonexistent", true);
  sandbox_says("train m.td -o noted --resume --steps 2", "PATH=/nonexistent", 0,
               "tried cc, gcc, clang", true);
  sandbox_says("train m.td -o noted --resume --steps 3 --reference", gone, 0, note, false);
  sandbox_says("sample m.td --weights noted", gone, 0, note, true);
  sandbox_says("eval m.td --weights noted", gone, 0, note, true);
  sandbox_says("run m.td next --weights noted --text the", gone, 0, "{\"y\":[[[", true);
  sandbox_says("run m.td next --weights noted --text the", gone, 0, note, true);
  sandbox_says("eval m.td --weights noted", "LC_ALL=C", 0, note, false);
}

/* What is there and fails is to be repaired; what is about kernels needs them. */
static void test_still_errors(void **state) {
  (void)state;
  sandbox_says("eval m.td --untrained", "TDC_CC=/bin/false", 3, "does not work", true);
  sandbox_says("eval m.td --untrained --reference", "TDC_CC=/bin/false", 0, "loss", true);
  sandbox_says("profile m.td", "TDC_CC=/nonexistent", 3, "which is not here", true);
  sandbox_says("check m.td --reference", "LC_ALL=C", 2, "--reference", true);
}

int main(int argc, char **argv) {
  (void)argc;
  if (!sandbox_find(argv[0])) return 1;
  unsetenv("TDC_CC");
  unsetenv("CC");
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_same_training),
      cmocka_unit_test(test_same_samples),
      cmocka_unit_test(test_note),
      cmocka_unit_test(test_still_errors),
  };
  return cmocka_run_group_tests(tests, enter_folder, sandbox_leave);
}
