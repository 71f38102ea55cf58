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

#include "runtime/cache.h"
#include "runtime/spawn.h"

enum { STEPS = 3 };

static char *tdc;                /* set once by main */

/* Draws in the loss and in the sampler: seed and step have to arrive. */
static const char model[] =
    "use nn\n"
    "data text { source \"./text.txt\"  tokens chars  split 0.8 }\n"
    "dim B = 2, L = 8, V = text.vocab, D = 4\n"
    "model next(x: id<V>[B,L]) -> y[B,L,V] {\n"
    "  param e[V,D] ~ normal(0, 0.3)\n"
    "  h[b,l,d] = e[x[b,l],d]\n"
    "  y = linear(dropout(h, 0.2), V)\n"
    "}\n"
    "loss main(x: id<V>[B,L]) {\n"
    "  y = next(x)\n"
    "  minimize mean[b, l in 0 : L-1](logsumexp[u](y[b,l,u]) - y[b,l,x[b,l+1]])\n"
    "}\n"
    "sampler flat(steps = 2, temperature = 1.0, prompt = \"\") {\n"
    "  state s[b in B, l in L, v in V] = normal()\n"
    "  for t in 1 .. 0 steps steps { s[b,l,v] = s[b,l,v] + temperature * normal() }\n"
    "  emit prompt.given[l] ? prompt[l] : argmax[v](s[b,l,v])\n"
    "}\n"
    "train { loss main  adam(lr = 0.01)  batch B  steps 4  log every 1 }\n";

static const char note[] = "running on the reference evaluator";

static void write_file(const char *path, const char *text) {
  FILE *f = fopen(path, "w");
  assert_non_null(f);
  fputs(text, f);
  fclose(f);
}

/* What tdc says to the words of `line`, malloc'ed. `env`: a variable more. */
static char *try_line(const char *line, const char *env, int code) {
  int n;
  char **words = spawn_words(line, &n);
  assert_non_null(words);
  const char **argv = calloc((size_t)n + 2, sizeof *argv);
  argv[0] = tdc;
  for (int i = 0; i < n; i++) argv[i + 1] = words[i];
  const char *const extra[] = { env, NULL };
  SpawnJob job = { .argv = argv, .extra_env = extra, .timeout = 120 };
  spawn_all(&job, 1, 1, NULL);
  if (job.code != code)
    fail_msg("tdc %s: exit %d, not %d:\n%s", line, job.code, code, job.output.s);
  free(argv);
  free(words);
  return job.output.s != NULL ? job.output.s : strdup("");
}

static void says(const char *line, const char *env, int code, const char *what, bool expected) {
  char *said = try_line(line, env, code);
  if ((strstr(said, what) != NULL) != expected)
    fail_msg("tdc %s: %s '%s' in:\n%s", line, expected ? "no" : "a", what, said);
  free(said);
}

/* The losses of a run told as lines of JSON: training steps, then validation. */
static int losses_of(const char *said, double *out, int most) {
  int n = 0;
  for (const char *p = said; (p = strstr(p, "\"loss\":")) != NULL && n < most; p++)
    out[n++] = strtod(p + strlen("\"loss\":"), NULL);
  return n;
}

static void same_losses(const char *line, const char *env, const double *want, int n) {
  double got[STEPS + 1];
  char *said = try_line(line, env, 0);
  assert_int_equal(losses_of(said, got, STEPS + 1), n);
  for (int i = 0; i < n; i++)
    if (!(fabs(got[i] - want[i]) <= 1e-4 * fabs(want[i])))
      fail_msg("tdc %s: loss %d is %.9g, with kernels it is %.9g", line, i, got[i], want[i]);
  free(said);
}

static int enter_folder(void **state) {
  static char folder[] = "reference-test-XXXXXX";
  if (mkdtemp(folder) == NULL || chdir(folder) != 0) return -1;
  setenv("TDC_CACHE", "cache", 1);
  setenv("TDC_CFLAGS", "-O1", 1);
  setenv("TDC_OFFLINE", "1", 1);
  write_file("m.td", model);
  write_file(
      "text.txt",
      "the quick brown fox jumps over the lazy dog, the quick brown fox jumps over the lazy dog");
  *state = folder;
  return 0;
}

static int leave_folder(void **state) {
  if (chdir("..") != 0) return -1;
  cache_remove_folder(*state);
  return 0;
}

static void test_same_training(void **state) {
  (void)state;
  double want[STEPS + 1];
  char *said = try_line("train m.td -o kernels --steps 3 --seed 7 --json -q", "LC_ALL=C", 0);
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
  char *kernels = try_line(line, "LC_ALL=C", 0), *without = try_line(line, "TDC_CC=/nonexistent", 0);
  assert_true(strncmp(kernels, "the", 3) == 0 && strlen(kernels) == 9);
  assert_string_equal(kernels, without);
  free(kernels);
  free(without);
}

/* Said once, and only when nobody asked for it. */
static void test_note(void **state) {
  (void)state;
  const char *const gone = "TDC_CC=/nonexistent";
  says("train m.td -o noted --steps 1", gone, 0, "tried $TDC_CC: /nonexistent", true);
  says("train m.td -o noted --resume --steps 2", "PATH=/nonexistent", 0, "tried cc, gcc, clang", true);
  says("train m.td -o noted --resume --steps 3 --reference", gone, 0, note, false);
  says("sample m.td --weights noted", gone, 0, note, true);
  says("eval m.td --weights noted", gone, 0, note, true);
  says("run m.td next --weights noted --text the", gone, 0, "{\"y\":[[[", true);
  says("run m.td next --weights noted --text the", gone, 0, note, true);
  says("eval m.td --weights noted", "LC_ALL=C", 0, note, false);
}

/* What is there and fails is to be repaired; what is about kernels needs them. */
static void test_still_errors(void **state) {
  (void)state;
  says("eval m.td --untrained", "TDC_CC=/bin/false", 3, "does not work", true);
  says("eval m.td --untrained --reference", "TDC_CC=/bin/false", 0, "loss", true);
  says("profile m.td", "TDC_CC=/nonexistent", 3, "which is not here", true);
  says("check m.td --reference", "LC_ALL=C", 2, "--reference", true);
}

int main(int argc, char **argv) {
  (void)argc;
  char here[4096];
  char *folder = io_dirname(argv[0]);
  if (getcwd(here, sizeof here) == NULL || folder == NULL) return 1;
  StrBuf path = { 0 };
  sb_printf(&path, "%s%s%s/../tdc", folder[0] == '/' ? "" : here, folder[0] == '/' ? "" : "/",
            folder);
  tdc = path.s;
  unsetenv("TDC_CC");
  unsetenv("CC");
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_same_training),
    cmocka_unit_test(test_same_samples),
    cmocka_unit_test(test_note),
    cmocka_unit_test(test_still_errors),
  };
  int failed = cmocka_run_group_tests(tests, enter_folder, leave_folder);
  sb_free(&path);
  free(folder);
  return failed;
}
