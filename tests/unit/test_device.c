/* SPDX-License-Identifier: MIT */
/* Which device runs: flags, the environment, what is said when it is not to be had, what
 * the run's record says of it, and what tdc doctor says of the pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/cpu/toolchain.h"
#include "runtime/system/io.h"
#include "runtime/td.h"
#include "tests/sandbox.h"

static const char model[] =
    SANDBOX_MODEL("h") "train { loss main  adam(lr = 0.1)  batch B  steps 2 }\n";

static char emulator[4096]; /* the folder of the emulated driver */

static int enter_folder(void **state) {
  if (sandbox_enter(state) != 0) return -1;
  sandbox_write("m.td", model);
  unsetenv("TDC_DEVICE");
  setenv("TDC_CUDA_LIBRARIES", "-", 1); /* there are none */
  return 0;
}

/* What stands in the run's record, or does not. */
static void records(const char *folder, const char *what, bool expected) {
  TdError err = {0};
  uint8_t *text;
  size_t n;
  char *path = io_join(folder, "run.json");
  assert_true(io_read_file(NULL, path, 1 << 20, &text, &n, &err));
  if ((strstr((const char *)text, what) != NULL) != expected) fail_msg("%s in %s", what, text);
  free(text);
  free(path);
}

/* The device there. */
static void ran_on(const char *folder, const char *device) {
  char want[64];
  snprintf(want, sizeof want, "\"device\": \"%s\"", device);
  records(folder, want, true);
}

static void train(const char *flags, const char *env, const char *device) {
  char line[256];
  snprintf(line, sizeof line, "train m.td -o run --overwrite -q %s", flags);
  free(sandbox_tdc(line, env, 0));
  ran_on("run", device);
}

static void test_choice(void **state) {
  (void)state;
  train("", "LC_ALL=C", "cpu");
  train("--device cpu", "LC_ALL=C", "cpu");
  train("--reference", "LC_ALL=C", "reference");
  train("--device reference", "LC_ALL=C", "reference");
  train("--device reference --reference", "LC_ALL=C", "reference");
  train("", "TDC_DEVICE=reference", "reference");
  train("", "TDC_DEVICE=", "cpu");
  train("--device cpu", "TDC_DEVICE=reference", "cpu");
  train("--reference", "TDC_DEVICE=cpu", "reference");
}

static void test_usage(void **state) {
  (void)state;
  sandbox_says("train m.td --device gpu", "LC_ALL=C", 2,
               "--device is cpu, cuda or reference, not 'gpu'", true);
  sandbox_says("eval m.td", "TDC_DEVICE=gpu", 2, "TDC_DEVICE is cpu, cuda or reference, not 'gpu'",
               true);
  sandbox_says("eval m.td --reference --device cpu", "LC_ALL=C", 2, "exclude each other", true);
  sandbox_says("profile m.td --device reference", "LC_ALL=C", 2, "no kernels", true);
  sandbox_says("check m.td", "TDC_DEVICE=gpu", 0, "no errors", true); /* nothing runs */
  sandbox_says("check m.td --device cpu", "LC_ALL=C", 2, "--device", true);
}

/* A device that was asked for is had, or it is an error: never another one instead. */
static void test_missing(void **state) {
  (void)state;
  const char *said = "libcuda.so.1 (the NVIDIA driver)";
  sandbox_says("train m.td --device cuda", "LC_ALL=C", 3, said, true);
  sandbox_says("eval m.td --untrained", "TDC_DEVICE=cuda", 3, said, true);
  sandbox_says("train m.td --device cpu", "TDC_CC=/nonexistent", 3, "which is not here", true);
  setenv("TDC_DEVICE", "cpu", 1);
  sandbox_says("train m.td", "TDC_CC=/nonexistent", 3, "which is not here", true);
  TdError err = {0};
  assert_null(td_open("m.td", &(TdOptions){.device = "cuda"}, &err));
  assert_int_equal(err.status, TD_NO_TOOL);
  assert_non_null(strstr(err.message, said));
}

static void test_interface(void **state) {
  (void)state;
  TdError err = {0};
  Td *td = td_open("m.td", &(TdOptions){.device = "reference"}, &err);
  assert_true(td != NULL && td_reference(td));
  td_close(td);
  setenv("TDC_DEVICE", "reference", 1);
  td = td_open("m.td", &(TdOptions){.device = "cpu"}, &err);
  assert_true(td != NULL && !td_reference(td));
  td_close(td);
  td = td_open("m.td", NULL, &err);
  assert_true(td != NULL && td_reference(td));
  td_close(td);
  assert_null(td_open("m.td", &(TdOptions){.device = "abacus"}, &err));
  assert_int_equal(err.status, TD_BAD_USAGE);
  assert_non_null(strstr(err.message, "it is cpu, cuda or reference"));
}

/* How long it takes at least is known of the CPU alone. */
static void test_dry_run(void **state) {
  (void)state;
  sandbox_says("train m.td -o kept --device reference --dry-run", "LC_ALL=C", 0, "parameters",
               true);
  sandbox_says("train m.td -o kept --device reference --dry-run", "LC_ALL=C", 0, "peak", false);
  sandbox_says("train m.td -o kept --device cpu --dry-run", "LC_ALL=C", 0, "peak", true);
}

/* ---- tdc doctor -------------------------------------------------------------------------- */

static void doctor_says(const char *env, const char *const *words) {
  char *said = sandbox_tdc("doctor", env, 0);
  for (; *words != NULL; words++)
    if (strstr(said, *words) == NULL) fail_msg("'%s' is not in:\n%s", *words, said);
  free(said);
}
#define DOCTOR_SAYS(env, ...) doctor_says(env, (const char *const[]){__VA_ARGS__, NULL})

static void test_doctor(void **state) {
  (void)state;
  char only[4200];
  DOCTOR_SAYS("LC_ALL=C",
              "driver     none, --device cuda needs it: libcuda.so.1 (the NVIDIA driver) is not to",
              "gpu        none is seen without a driver",
              "nvrtc      none, --device cuda needs it: libnvrtc.so.13 or .12",
              "cublaslt   none, models with large products need it on --device cuda: libcublasLt");
  snprintf(only, sizeof only, "%s:-", emulator);
  setenv("TDC_CUDA_LIBRARIES", only, 1);
  DOCTOR_SAYS("LC_ALL=C", "libcuda.so.1, for CUDA 13.0", "capability 9.0 (sm_90a), ",
              "nvrtc      13.0, /", "cublaslt   13.1.0, /");
  DOCTOR_SAYS("TDC_EMU_DEVICES=0", "libcuda.so.1, for CUDA 13.0", "sees no GPU",
              "nvrtc      13.0, /");
  DOCTOR_SAYS("TDC_EMU_DRIVER=11040", "for CUDA 11.4", "too old");
  char *said = sandbox_tdc("doctor --json", "LC_ALL=C", 0);
  assert_non_null(strstr(said, "\"gpu\": "));
  free(said);
}

/* A product of 96 x 96 x 96: f32 takes tiles for it. */
static const char wide[] = "data text { source \"./text.txt\"  tokens chars  split 0.5 }\n"
                           "dim B = 4, L = 24, V = text.vocab, H = 96\n"
                           "param table[V,H] ~ normal(0, 0.3)\nparam place[L,H] ~ normal(0, 0.3)\n"
                           "param w[H,H] ~ normal(0, 0.1)\n"
                           "param out[H,V] ~ normal(0, 0.3)\n"
                           "loss main(x: id<V>[B,L]) {\n"
                           "  h[b,l,i] = table[x[b,l],i] + place[l,i]\n"
                           "  g[b,l,j] = h[b,l,i] * w[i,j]\n"
                           "  y[b,l,v] = g[b,l,j] * out[j,v]\n"
                           "  minimize mean[b,l,v](y[b,l,v]^2)\n}\n"
                           "train { loss main  adam(lr = 0.01)  batch B  steps 6 }\n";
static const char no_tiles[] = "TDC_CFLAGS=-O1 -mno-amx-tile";

/* How products were made is remembered, and told where it changes. */
static void test_products(void **state) {
  (void)state;
  const bool tiles = cpu_tiles(); /* without, all are fma */
  const char *other = "going on with products made as fma, which were made as split6",
             *back = "going on with products made as split6, which were made as fma";
  sandbox_write("wide.td", wide);
  sandbox_says("train wide.td -o split --steps 1", "LC_ALL=C", 0, "going on", false);
  records("split", "\"product\": \"f32\"", true);
  records("split", tiles ? "\"products_made\": \"split6\"" : "\"products_made\": \"fma\"", true);
  sandbox_says("train wide.td -o split --steps 2 --product split6 --resume", "LC_ALL=C", 0,
               "going on with products", false); /* the same */
  sandbox_says("train wide.td -o split --steps 3 --resume --exact fma", "LC_ALL=C", 0, other,
               tiles);
  sandbox_says("train wide.td -o split --steps 4 --resume", "LC_ALL=C", 0, back, tiles);
  /* another machine */
  sandbox_says("train wide.td -o split --steps 5 --resume", no_tiles, 0, other, tiles);
  records("split", "\"product\": \"f32\"", true);
  records("split", "\"products_made\": \"fma\"", true);
  sandbox_says("train wide.td -o split --steps 6 --resume --reference", "LC_ALL=C", 0,
               "going on with products", false);
  /* rounded, which they are everywhere */
  sandbox_says("train wide.td -o split --steps 7 --resume --product bf16", "LC_ALL=C", 0,
               "going on with products made as bf16, which were made as fma", true);
  records("split", "\"product\": \"bf16\"", true);
  records("split", "\"products_made\": \"bf16\"", true);
  sandbox_says("train wide.td -o split --steps 8 --resume --product bf16", no_tiles, 0,
               "going on with products", false);
  sandbox_says("train wide.td -o split --steps 9 --resume --product bf16 --reference", "LC_ALL=C",
               0, "going on with products made as fma, which were made as bf16", true);
  sandbox_says("train wide.td -o split --steps 10 --resume", no_tiles, 0, "going on with products",
               false);
  /* where no product pays there is nothing to tell */
  sandbox_says("train m.td -o small --steps 1", "LC_ALL=C", 0, "going on", false);
  records("small", "\"products_made\": \"fma\"", true);
  DOCTOR_SAYS(no_tiles, "products   f32, split6 and split3 as fma; bf16 without tiles");
  DOCTOR_SAYS("LC_ALL=C",
              tiles ? "products   f32 as split6 where it pays; bf16, split6 and split3 on tiles"
                    : "products   f32, split6 and split3 as fma; bf16 without tiles");
}

int main(int argc, char **argv) {
  (void)argc;
  char *folder = io_dirname(argv[0]), *path = folder != NULL ? io_join(folder, "cuda_emu") : NULL;
  if (!sandbox_find(argv[0]) || path == NULL || realpath(path, emulator) == NULL) return 1;
  free(folder);
  free(path);
  unsetenv("TDC_CC");
  unsetenv("CC");
#define TEST(f) cmocka_unit_test_setup_teardown(f, enter_folder, sandbox_leave)
  const struct CMUnitTest tests[] = {TEST(test_choice),    TEST(test_usage),   TEST(test_missing),
                                     TEST(test_interface), TEST(test_dry_run), TEST(test_doctor),
                                     TEST(test_products)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
