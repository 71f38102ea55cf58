/* SPDX-License-Identifier: MIT */
/* The public header alone: what a program that links libtdc can do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/td.h"
#include "tests/sandbox.h"

static const char model[] =
    SANDBOX_MODEL("h") "model twice(x[B,L]) -> y[B,L] { y = 2 * x }\n"
                       "sampler flat(steps = 2) {\n"
                       "  state s[b in B, l in L, v in V] = normal()\n"
                       "  for t in 2 .. 0 steps steps { s[b,l,v] = s[b,l,v] + normal() }\n"
                       "  emit argmax[v](s[b,l,v])\n"
                       "}\n"
                       "train { loss main  adam(lr = 0.01)  batch B  steps 4 }\n";

static int enter_folder(void **state) {
  if (sandbox_enter(state) != 0) return -1;
  sandbox_write("model.td", model);
  return 0;
}

static void test_everything(void **state) {
  (void)state;
  TdError err = {0};
  TdSetting define = {"D", "6"};
  TdOptions options = {.defines = &define, .ndefines = 1, .threads = 2, .seed = 7};
  Td *td = td_open("model.td", &options, &err);
  if (td == NULL) fail_msg("%s", err.message);

  int rank = 0;
  int64_t shape[8], n = 1;
  const char *name = td_parameter(td, 0, &rank, shape);
  assert_true(td_parameter_count(td) >= 3 && name != NULL && rank == 2);
  assert_null(td_parameter(td, td_parameter_count(td), &rank, shape));
  for (int i = 0; i < rank; i++) n *= shape[i];
  float *w = malloc((size_t)n * sizeof *w), *back = malloc((size_t)n * sizeof *w);
  assert_true(td_read(td, name, w, n, &err));
  assert_false(td_read(td, name, w, n + 1, &err));
  assert_false(td_read(td, "nothing", w, n, &err));
  assert_int_equal(err.status, TD_BAD_USAGE);
  w[0] = 0.5f;
  assert_true(td_write(td, name, w, n, &err) && td_read(td, name, back, n, &err));
  assert_memory_equal(w, back, (size_t)n * sizeof *w);

  assert_true(td_export(td, "w.safetensors", &err));
  w[0] = 9;
  assert_true(td_write(td, name, w, n, &err) && td_load(td, "w.safetensors", &err) &&
              td_read(td, name, back, n, &err));
  assert_true(back[0] == 0.5f);
  assert_false(td_load(td, "absent.safetensors", &err));

  float x[16];
  for (int i = 0; i < 16; i++) x[i] = (float)i;
  assert_true(td_set_reals(td, "twice", "x", x, 16, &err) && td_run(td, "twice", 0, &err));
  const float *y = td_output(td, "twice", "y", &rank, shape);
  assert_true(y != NULL && rank == 2 && shape[0] == 2 && shape[1] == 8);
  for (int i = 0; i < 16; i++) assert_true(y[i] == 2 * x[i]);
  assert_false(td_set_reals(td, "thrice", "x", x, 16, &err));
  int32_t ids[16] = {0};
  ids[3] = 1000;
  assert_false(td_set_ints(td, "next", "x", ids, 16, &err));
  assert_non_null(strstr(err.message, "[3]"));

  char *one, *two;
  TdSetting steps = {"steps", "3"};
  assert_true(td_sample(td, NULL, &steps, 1, 42, &one, &err));
  assert_true(td_sample(td, "flat", &steps, 1, 42, &two, &err));
  assert_string_equal(one, two);
  assert_int_equal(strlen(one), 8);
  free(one);
  free(two);
  assert_false(td_sample(td, "none", NULL, 0, 0, &one, &err));

  TdTrainOptions train = {.folder = "run", .seed = 1};
  if (!td_train(td, &train, &err)) fail_msg("%s", err.message);
  assert_false(td_train(td, &train, &err)); /* the folder holds a run */
  train.overwrite = true;
  assert_true(td_train(td, &train, &err) && td_load(td, "run", &err));
  free(w);
  free(back);
  td_close(td);
}

/* Training goes on from what was written, once; from the initial values of its seed else. */
static void test_write_and_train(void **state) {
  (void)state;
  TdError err = {0};
  Td *td = td_open("model.td", NULL, &err);
  if (td == NULL) fail_msg("%s", err.message);
  int rank = 0;
  int64_t shape[8], n = 1;
  const char *name = td_parameter(td, 0, &rank, shape);
  for (int i = 0; i < rank; i++) n *= shape[i];
  float *w = malloc((size_t)n * sizeof *w);
  for (int64_t i = 0; i < n; i++) w[i] = 5;
  assert_true(td_write(td, name, w, n, &err));
  TdTrainOptions train = {.folder = "written", .steps = 4};
  if (!td_train(td, &train, &err)) fail_msg("%s", err.message);
  assert_true(td_read(td, name, w, n, &err));
  for (int64_t i = 0; i < n; i++) assert_true(w[i] > 4.9f && w[i] < 5.1f); /* 4 steps of 0.01 */
  train.overwrite = true;
  assert_true(td_train(td, &train, &err) && td_read(td, name, w, n, &err));
  for (int64_t i = 0; i < n; i++) assert_true(w[i] < 4);
  free(w);
  td_close(td);
}

/* Kernels and evaluator give the same text and numbers; without a compiler the
 * evaluator steps in, and says so. */
static void test_without_compiler(void **state) {
  (void)state;
  TdError err = {0};
  TdOptions usual = {.threads = 1, .seed = 3},
            reference = {.threads = 1, .seed = 3, .reference = true};
  TdSetting steps = {"steps", "3"};
  Td *compiled = td_open("model.td", &usual, &err), *asked = td_open("model.td", &reference, &err);
  setenv("TDC_CC", "no-such-compiler", 1);
  Td *forced = td_open("model.td", &usual, &err);
  unsetenv("TDC_CC");
  if (compiled == NULL || asked == NULL || forced == NULL) fail_msg("%s", err.message);
  assert_true(!td_reference(compiled) && td_reference(asked) && td_reference(forced));
  char *texts[3];
  Td *all[3] = {compiled, asked, forced};
  for (int i = 0; i < 3; i++) {
    assert_true(td_sample(all[i], "flat", &steps, 1, 11, &texts[i], &err));
    assert_string_equal(texts[i], texts[0]);
  }
  for (int i = 0; i < 3; i++) {
    free(texts[i]);
    td_close(all[i]);
  }
}

static void test_mistakes(void **state) {
  (void)state;
  TdError err = {0};
  assert_null(td_open("absent.td", NULL, &err));
  assert_int_equal(err.status, TD_IO_FAILED);
  sandbox_write("wrong.td", "model m(x[3]) -> y[3] = z\n");
  assert_null(td_open("wrong.td", NULL, &err));
  assert_int_equal(err.status, TD_BAD_FILE);
  assert_non_null(strstr(err.message, "wrong.td:1:"));
  td_close(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_everything), cmocka_unit_test(test_write_and_train),
      cmocka_unit_test(test_without_compiler), cmocka_unit_test(test_mistakes)};
  return cmocka_run_group_tests(tests, enter_folder, sandbox_leave);
}
