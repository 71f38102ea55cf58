/* SPDX-License-Identifier: MIT */
/* tdc --device cuda from end to end, over the emulated libraries: training, resuming,
 * evaluation, samples and models are what the CPU makes of them; and what the command says
 * and ends with when the device fails under it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/system/io.h"
#include "runtime/td.h"
#include "tests/sandbox.h"

enum { STEPS = 6 };

/* Draws in the loss and in the sampler: seed and step have to arrive in graphs as well. */
static const char model[] = SANDBOX_MODEL(
    "dropout(h, 0.2)") "sampler flat(steps = 6, temperature = 1.0, prompt = \"\") {\n"
                       "  state s[b in B, l in L, v in V] = normal()\n"
                       "  for t in 5 .. 0 steps steps { s[b,l,v] = s[b,l,v] + temperature * "
                       "normal() }\n"
                       "  emit prompt.given[l] ? prompt[l] : argmax[v](s[b,l,v])\n"
                       "}\n"
                       "train { loss main  adam(lr = 0.01)  batch B  steps 6  log every 1 }\n";

static char libraries[4200]; /* where the emulated ones are, and nowhere else */

static int enter_folder(void **state) {
  if (sandbox_enter(state) != 0) return -1;
  sandbox_write("m.td", model);
  setenv("TDC_CUDA_LIBRARIES", libraries, 1);
  return 0;
}

static int losses_of(const char *said, double *out, int most) {
  int n = 0;
  for (const char *p = said; (p = strstr(p, "\"loss\":")) != NULL && n < most; p++)
    out[n++] = strtod(p + strlen("\"loss\":"), NULL);
  return n;
}

/* Training losses, then the validation's; true if they are the same to the last digit. */
static bool trained(const char *line, double *want, int n, double tolerance) {
  double got[STEPS + 2];
  char *said = sandbox_tdc(line, "LC_ALL=C", 0);
  bool same = true;
  int found = losses_of(said, got, STEPS + 2);
  if (found != n) fail_msg("tdc %s: %d losses, not %d:\n%s", line, found, n, said);
  for (int i = 0; i < n; i++) {
    same = same && got[i] == want[i];
    if (!(fabs(got[i] - want[i]) <= tolerance * fabs(want[i])))
      fail_msg("tdc %s: loss %d is %.9g, not %.9g", line, i, got[i], want[i]);
  }
  free(said);
  return same;
}

static void test_training(void **state) {
  (void)state;
  double want[STEPS + 2], first[STEPS + 2];
  char *said = sandbox_tdc("train m.td -o cpu --seed 7 --json -q", "LC_ALL=C", 0);
  int n = losses_of(said, want, STEPS + 2);
  assert_int_equal(n, STEPS + 1);
  free(said);
  trained("train m.td -o one --seed 7 --json -q --device cuda", want, n, 1e-5);
  said = sandbox_tdc("train m.td -o two --seed 7 --json -q --device cuda", "LC_ALL=C", 0);
  assert_int_equal(losses_of(said, first, STEPS + 2), n);
  free(said);
  /* again the same bits; and from where it stopped, begun without a graph */
  assert_true(trained("train m.td -o three --seed 7 --json -q --device cuda", first, n, 0));
  free(sandbox_tdc("train m.td -o part --seed 7 -q --steps 3 --device cuda", "LC_ALL=C", 0));
  trained("train m.td -o part --json -q --resume --device cuda", first + 3, n - 3, 0);
  TdError err = {0};
  uint8_t *a, *b;
  size_t na, nb;
  assert_true(io_read_file(NULL, "two/step-00000006.safetensors", 1 << 24, &a, &na, &err));
  assert_true(io_read_file(NULL, "three/step-00000006.safetensors", 1 << 24, &b, &nb, &err));
  assert_int_equal(na, nb);
  free(b);
  free(a);
}

static const char many_steps[] = SANDBOX_MODEL(
    "dropout(h, 0.2)") "train { loss main  adam(lr = 0.01)  batch B  steps 52  log every %d }\n";

/* Trains 52 steps that are logged every so often; the end of its weights, to be freed. */
static uint8_t *many(int every, const char *flags, const char *env, int code, double *last,
                     size_t *n) {
  char text[sizeof many_steps + 16], line[128];
  double losses[64];
  uint8_t *bytes = NULL;
  TdError err = {0};
  snprintf(text, sizeof text, many_steps, every);
  sandbox_write("many.td", text);
  snprintf(line, sizeof line, "train many.td -o every%d --json -q --device cuda %s", every, flags);
  char *said = sandbox_tdc(line, env, code);
  if (code == 0) {
    int found = losses_of(said, losses, 64);
    assert_true(found >= 2);
    last[0] = losses[found - 2]; /* of the last step, and the validation */
    last[1] = losses[found - 1];
    snprintf(line, sizeof line, "every%d/step-00000052.safetensors", every);
    assert_true(io_read_file(NULL, line, 1 << 24, &bytes, n, &err));
  }
  free(said);
  return bytes;
}

/* Nobody waits for a step whose numbers nobody wants to know, and eight of them are one graph.
 * Results are the same bits as those of steps one by one, also where a run stops between and goes
 * on; and all 52 steps with their numbers take less than 40 downloads. */
static void test_steps_ahead(void **state) {
  (void)state;
  static const char few[] = "TDC_EMU_FAULT=cuMemcpyDtoHAsync_v2:40";
  double want[2], got[2];
  size_t na, nb, same = 2000;
  uint8_t *a = many(1, "", "LC_ALL=C", 0, want, &na);
  for (int turn = 0; turn < 2; turn++) { /* stopped in step 21, or not */
    if (turn == 1)
      free(sandbox_tdc("train many.td -o every100 --overwrite -q --device cuda --steps 21",
                       "LC_ALL=C", 0));
    uint8_t *b = many(100, turn == 1 ? "--resume" : "", few, 0, got, &nb);
    assert_true(want[0] == got[0] && want[1] == got[1]);
    assert_true(na > same && nb > same);
    assert_memory_equal(a + na - same, b + nb - same, same);
    free(b);
  }
  free(a);
  many(1, "--overwrite", few, 3, got, &nb);
}

/* Does the command start exactly so many graphs? */
static void starts_graphs(const char *line, int n) {
  char env[64];
  for (int more = 0; more < 2; more++) {
    snprintf(env, sizeof env, "TDC_EMU_FAULT=cuGraphLaunch:%d:700", n + more);
    free(sandbox_tdc(line, env, more ? 0 : 3));
  }
}

/* Step 1 is alone, and what comes for the first time goes step by step, from its second run on by
 * graphs of one step. Of 51 steps, looked at when 16 wait and in every 25th: 2 to 17 are the first
 * two eights, 16 graphs; 18 to 25 one graph; 26 to 41 two; 42 to 49 one; 50 and 51 one each.
 * Six iterations of a sampler, which keeps nothing: five graphs, and then one, beside one of init
 * and one of emit. */
static void test_steps_are_one_graph(void **state) {
  (void)state;
  char text[sizeof many_steps + 16];
  snprintf(text, sizeof text, many_steps, 100);
  sandbox_write("many.td", text);
  sandbox_write("text.txt", "the quick brown fox"); /* too short for a validation */
  starts_graphs("train many.td -o run --overwrite -q --device cuda --steps 51",
                16 + 1 + 2 + 1 + 1 + 1);
  starts_graphs("sample m.td --untrained -q -n 2 --device cuda", 5);
  starts_graphs("sample m.td --untrained -q -n 8 --device cuda", 5 + 3 * 3);
}

/* Of a sampling its text comes down, and one number a state that says whether it is finite: not
 * the states themselves. Of four samplings the same; a NaN in the weights is found and named. */
static void test_states_stay(void **state) {
  (void)state;
  static const char line[] = "sample m.td --untrained -q -n %d --device cuda";
  for (int n = 1; n <= 4; n += 3)
    for (int more = 0; more < 2; more++) {
      char text[128], env[64];
      snprintf(text, sizeof text, line, 2 * n);
      snprintf(env, sizeof env, "TDC_EMU_FAULT=cuMemcpyDtoHAsync_v2:%d", 2 * n + more);
      free(sandbox_tdc(text, env, more ? 0 : 3));
    }
  sandbox_write("nan.td",
                SANDBOX_MODEL("h") "sampler wrong(steps = 3) {\n"
                                   "  state s[b in B, l in L] = 1.0\n"
                                   "  for t in 2 .. 0 steps steps { s[b,l] = log(s[b,l] - 1) }\n"
                                   "  emit s[b,l] >= 0 ? 0 : 1\n"
                                   "}\n"
                                   "train { loss main  adam(lr = 0.01)  batch B  steps 6 }\n");
  sandbox_says("sample nan.td --untrained -q --device cuda", "LC_ALL=C", TD_NOT_FINITE,
               "at element 0 of 'wrong.s'", true);
}

/* Nor for each batch of an evaluation: 30 of them are read twice. */
static void test_batches_ahead(void **state) {
  (void)state;
  static const char line[] = "eval m.td --untrained --data long.txt --json -q";
  char text[30 * 2 * 8 * 5 + 1];
  for (size_t i = 0; i < sizeof text - 1; i++) text[i] = "the quick brown fox "[i % 20];
  text[sizeof text - 1] = '\0';
  sandbox_write("long.txt", text);
  char *cpu = sandbox_tdc(line, "LC_ALL=C", 0), *gpu = sandbox_tdc(line, "TDC_DEVICE=cuda", 0);
  const char *a = strstr(cpu, "\"mean\":"), *b = strstr(gpu, "\"mean\":");
  assert_true(strncmp(cpu, "{\"batches\":30,", 14) == 0 && strncmp(gpu, cpu, 14) == 0);
  assert_true(a != NULL && b != NULL);
  assert_true(fabs(strtod(a + 7, NULL) - strtod(b + 7, NULL)) <= 1e-5 * strtod(a + 7, NULL));
  free(cpu);
  free(gpu);
  setenv("TDC_DEVICE", "cuda", 1);
  free(sandbox_tdc(line, "TDC_EMU_FAULT=cuMemcpyDtoHAsync_v2:10", 0));
  unsetenv("TDC_DEVICE");
}

/* w falls by 1 a step from 3.5: its logarithm is NaN in the fifth, which nobody looks at before
 * the eighth. */
static void test_nan_ahead(void **state) {
  (void)state;
  sandbox_write("falls.td", "data text { source \"./text.txt\"  tokens chars  split 0.8 }\n"
                            "dim B = 1, L = 8, V = text.vocab, I = 40\n"
                            "param w[I] = 3.5\n"
                            "loss main(x: id<V>[B,L]) {\n"
                            "  minimize sum[i in I](w[i]) + 0.0 * sum[i in I](log(w[i]))\n"
                            "}\n"
                            "train { loss main  sgd(lr = 1, momentum = 0)  batch B  steps 8"
                            "  log every 8 }\n");
  sandbox_says("train falls.td -o falls --device cuda", "LC_ALL=C", TD_NOT_FINITE,
               "step 5: loss is NaN; the first NaN is 'loss.sum'[0], computed at falls.td:5", true);
}

static void test_record(void **state) {
  (void)state;
  TdError err = {0};
  uint8_t *text;
  size_t n;
  free(sandbox_tdc("train m.td -o run -q --steps 1 --device cuda", "LC_ALL=C", 0));
  assert_true(io_read_file(NULL, "run/run.json", 1 << 20, &text, &n, &err));
  static const char *const said[] = {"\"device\": \"cuda\"", "\"gpu\": \"", "NVRTC 13.",
                                     "for sm_90a"};
  for (size_t i = 0; i < sizeof said / sizeof *said; i++)
    if (strstr((const char *)text, said[i]) == NULL) fail_msg("no %s in %s", said[i], text);
  free(text);
}

static void same_answer(const char *line) {
  char on[256];
  snprintf(on, sizeof on, "%s --device cuda", line);
  char *cpu = sandbox_tdc(line, "LC_ALL=C", 0), *gpu = sandbox_tdc(on, "LC_ALL=C", 0);
  assert_string_equal(cpu, gpu);
  free(cpu);
  free(gpu);
}

static void test_answers(void **state) {
  (void)state;
  free(sandbox_tdc("train m.td -o run -q", "LC_ALL=C", 0));
  same_answer("sample m.td --weights run --prompt the --seed 3 -q -n 2");
  double want[1], got[1];
  char *cpu = sandbox_tdc("eval m.td --weights run -q --json", "LC_ALL=C", 0),
       *gpu = sandbox_tdc("eval m.td --weights run -q --json", "TDC_DEVICE=cuda", 0);
  const char *a = strstr(cpu, "\"mean\":"), *b = strstr(gpu, "\"mean\":");
  assert_true(a != NULL && b != NULL);
  want[0] = strtod(a + 7, NULL);
  got[0] = strtod(b + 7, NULL);
  assert_true(fabs(want[0] - got[0]) <= 1e-5 * want[0]);
  free(cpu);
  free(gpu);
  sandbox_says("run m.td next --weights run --text the -q --device cuda", "LC_ALL=C", 0,
               "{\"y\":[[[", true);
}

/* The share of a line of tdc profile that ends with `text`; below 0: it has none. */
static double share_of(const char *said, const char *text) {
  const char *at = strstr(said, text), *line = at;
  if (at == NULL) fail_msg("no line '%s' in:\n%s", text, said);
  while (line > said && line[-1] != '\n') line--;
  const char *percent = memchr(line, '%', (size_t)(at - line));
  if (percent == NULL) return -1;
  while (percent > line && percent[-1] != ' ') percent--;
  return strtod(percent, NULL);
}

/* Each line has the time of its launches on the GPU's clock, those within the library too:
 * the product of `linear` and the optimizer. All lines together are the whole. */
static void test_profile(void **state) {
  (void)state;
  char *said = sandbox_tdc("profile m.td --rounds 1 --device cuda -q", "LC_ALL=C", 0);
  assert_non_null(strstr(said, "kernels one by one"));
  assert_null(strstr(said, "elsewhere"));
  char *library = strstr(said, "of it, within the library");
  assert_non_null(library);
  assert_true(share_of(said, "<std/core.td>:") > 0);
  assert_true(share_of(said, "<std/nn.td>:") > 0);
  *library = '\0';
  assert_true(share_of(said, "| model next(") < 0); /* nothing is computed there */
  assert_true(share_of(said, "y = linear(dropout(h, 0.2), V)") > 0);
  assert_true(share_of(said, "| train { loss main") > 0);
  double all = 0;
  for (const char *at = said; (at = strchr(at, '%')) != NULL; at++) {
    const char *share = at;
    while (share > said && share[-1] != ' ') share--;
    all += strtod(share, NULL);
  }
  if (fabs(all - 100) > 1.5) fail_msg("%g%% of the time is told:\n%s", all, said);
  free(said);
}

/* The message is the runtime's, the exit code its status; nothing else runs instead. */
static void test_failures(void **state) {
  (void)state;
  static const struct {
    const char *env;
    int code;
    const char *said;
  } all[] = {{"TDC_EMU_DEVICES=0", 3, "sees no GPU"},
             {"TDC_EMU_DRIVER=11040", 3, "too old"},
             {"TDC_EMU_FAULT=cuInit:1:999", 3, "does not start"},
             {"TDC_EMU_MEMORY=2000", 4, "a smaller batch?"},
             {"TDC_EMU_FAULT=cuMemAlloc_v2:9:2", 4, "MB of memory left"},
             {"TDC_EMU_FAULT=cuLaunchKernel:3:719", 3, "starting "},
             {"TDC_EMU_FAULT=cuGraphLaunch:2:700", 3, "starting a graph"},
             {"TDC_EMU_FAULT=cuModuleLoadData:1:209", 3, "does not load"},
             {"TDC_EMU_FAULT=cuStreamSynchronize:4:719", 3, "or before it"},
             {"TDC_EMU_FAULT=nvrtcCompileProgram:1:11", 3, "cannot compile"}};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++)
    sandbox_says("train m.td -o run --overwrite --no-cache -q --device cuda", all[i].env,
                 all[i].code, all[i].said, true);
}

static void test_interface(void **state) {
  (void)state;
  TdError err = {0};
  float x[2][64];
  for (int k = 0; k < 2; k++) {
    Td *td = td_open("m.td", &(TdOptions){.device = k ? "cuda" : "cpu", .seed = 5}, &err);
    if (td == NULL) fail_msg("%s", err.message);
    assert_false(td_reference(td));
    int rank;
    int64_t shape[8], n = 1;
    const char *name = td_parameter(td, 0, &rank, shape);
    for (int i = 0; i < rank; i++) n *= shape[i];
    assert_true(n > 8);
    float *all = malloc((size_t)n * sizeof *all);
    assert_true(td_read(td, name, all, n, &err));
    for (int i = 0; i < 64; i++) x[k][i] = i < n ? all[i] : 0;
    free(all);
    td_close(td);
  }
  /* initial weights are drawn alike */
  for (int i = 0; i < 64; i++) assert_true(fabsf(x[0][i] - x[1][i]) <= 1e-6F * fabsf(x[0][i]));
}

int main(int argc, char **argv) {
  (void)argc;
  char emulator[4096], *folder = io_dirname(argv[0]),
                       *path = folder != NULL ? io_join(folder, "cuda_emu") : NULL;
  if (!sandbox_find(argv[0]) || path == NULL || realpath(path, emulator) == NULL) return 1;
  free(folder);
  free(path);
  snprintf(libraries, sizeof libraries, "%s:-", emulator);
  unsetenv("TDC_DEVICE");
#define TEST(f) cmocka_unit_test_setup_teardown(f, enter_folder, sandbox_leave)
  const struct CMUnitTest tests[] = {TEST(test_training),      TEST(test_steps_ahead),
                                     TEST(test_batches_ahead), TEST(test_nan_ahead),
                                     TEST(test_record),        TEST(test_answers),
                                     TEST(test_profile),       TEST(test_failures),
                                     TEST(test_interface),     TEST(test_steps_are_one_graph),
                                     TEST(test_states_stay)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
