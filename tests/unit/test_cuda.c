/* SPDX-License-Identifier: MIT */
/* A GPU as a device, over the emulated driver and NVRTC: what runs leave, as kernels one by one
 * and as graphs; memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/cuda_case.h"
#include "tests/finite_case.h"

/* ---- runs ---------------------------------------------------------------------------------- */

static void watch_launch(void *ctx, int step, bool before) {
  Watched *w = ctx;
  if (before) w->before++;
  if (!before) w->after++;
  if (step == 1 && !before) session_read_output(w->session, 0, "y", 1, 1, &w->seen, NULL);
}

/* One by one, captured, replayed; another graph without the first steps; one by one while
 * somebody watches; and all of it again. */
static void test_runs(void **state) {
  TdError err = {0};
  CudaInfo info = {0};
  Session *s = open_session(*state, &info, &err);
  if (s == NULL) fail_msg("%s", err.message);
  assert_non_null(strstr(info.compiler, "for sm_90a"));
  assert_true(info.gpu[0] != '\0');
  Expected e = {0};
  for (int round = 0; round < 2; round++) {
    for (int k = 0; k < 4; k++) {
      assert_true(run_once(s, &e, (float)(k + 1), (uint64_t)k, 5 - k, false, NULL, &err));
      if (!as_expected(s, &e, &err)) fail_msg("%s", err.message);
    }
    for (int k = 0; k < 3; k++) {
      assert_true(run_once(s, &e, (float)(k - 3), 7, k, true, NULL, &err));
      if (k == 1) continue; /* two under way */
      if (!as_expected(s, &e, &err)) fail_msg("%s", err.message);
    }
    Watched w = {.session = s};
    DeviceWatch watch = {.ctx = &w, .launch = watch_launch};
    assert_true(run_once(s, &e, 9, 3, 3, false, &watch, &err));
    assert_int_equal(w.before, 1 + 1 + ROWS + 6 + 1);
    assert_int_equal(w.after, w.before);
    assert_true(w.seen == 9 * x_of(1));
    if (!as_expected(s, &e, &err)) fail_msg("%s", err.message);
    watch.launch = NULL; /* somebody who only takes the time */
    watch.time = watch_time;
    assert_true(run_once(s, &e, 3, 3, 5, true, &watch, &err));
    assert_int_equal(w.times, ROWS + 6 + 2); /* without the first step */
    if (!as_expected(s, &e, &err)) fail_msg("%s", err.message);
    watch.time = NULL; /* or only sees values */
    assert_true(run_once(s, &e, 2, 3, 4, false, &watch, &err));
    if (!as_expected(s, &e, &err)) fail_msg("%s", err.message);
  }
  session_free(s);
}

/* A hundred runs with nobody waiting: each has its own inputs, seed and step. */
static void test_behind(void **state) {
  TdError err = {0};
  Session *s = open_session(*state, NULL, &err);
  assert_non_null(s);
  Expected e = {0};
  for (int k = 0; k < 100; k++)
    assert_true(run_once(s, &e, (float)(k % 5), (uint64_t)k, k, k % 2, NULL, &err));
  if (!as_expected(s, &e, &err)) fail_msg("%s", err.message);
  assert_true(session_sync(s, &err));
  session_free(s);
}

/* The graph is what runs from the third time on. */
static void test_graph_is_used(void **state) {
  TdError err = {0};
  Session *s = open_session(*state, NULL, &err);
  Expected e = {0};
  assert_non_null(s);
  assert_true(run_once(s, &e, 1, 0, 0, false, NULL, &err) && as_expected(s, &e, &err));
  setenv("TDC_EMU_FAULT", "cuGraphLaunch:1:700", 1);
  assert_true(run_once(s, &e, 1, 0, 0, false, NULL, &err));
  assert_false(session_sync(s, &err));
  assert_non_null(strstr(err.message, "starting a graph"));
  session_free(s);
}

/* ---- memory -------------------------------------------------------------------------------- */

static void test_memory(void **state) {
  enum { BIG = (5 << 20) + 123 }; /* several times what is staged at once */
  TdError err = {0};
  CudaInfo info;
  JitOptions o = {.cache = *state};
  Device *d = cuda_device(&program, &o, &info, &err);
  assert_non_null(d);
  DeviceMemory *a = d->does->alloc(d, BIG, &err), *b = d->does->alloc(d, BIG, &err),
               *none = d->does->alloc(d, 0, &err);
  assert_true(a != NULL && b != NULL && none != NULL && a != b);
  uint8_t *from = malloc(BIG), *to = malloc(BIG);
  assert_true(d->does->download(d, to, (DevicePlace){a, 0}, BIG, &err));
  for (int i = 0; i < BIG; i++)
    if (to[i] != 0) fail_msg("byte %d is not 0", i);
  for (int i = 0; i < BIG; i++) from[i] = (uint8_t)(i * 7 + i / 1000);
  d->does->upload(d, (DevicePlace){a, 0}, from, BIG);
  memset(from, 0, BIG);
  d->does->copy(d, (DevicePlace){b, 1}, (DevicePlace){a, 3}, BIG - 3);
  d->does->upload(d, (DevicePlace){b, BIG - 1}, "!", 1);
  d->does->upload(d, (DevicePlace){b, 0}, from, 0);
  d->does->zero(d, a, BIG);
  assert_true(d->does->download(d, to, (DevicePlace){b, 0}, BIG, &err));
  assert_int_equal(to[0], 0);
  for (int i = 1; i < BIG - 2; i++)
    if (to[i] != (uint8_t)((i + 2) * 7 + (i + 2) / 1000)) fail_msg("byte %d of the copy", i);
  assert_int_equal(to[BIG - 1], '!');
  assert_true(d->does->download(d, to, (DevicePlace){a, 0}, BIG, &err) && to[5] == 0);
  free(from);
  free(to);
  d->does->free(d, a, BIG);
  d->does->free(d, b, BIG);
  d->does->free(d, none, 0);
  assert_true(d->does->sync(d, &err));
  d->does->close(d);
}

static void test_no_memory(void **state) {
  TdError err = {0};
  setenv("TDC_EMU_MEMORY", "4096", 1);
  assert_null(open_session(*state, NULL, &err));
  assert_int_equal(err.status, TD_IO_FAILED);
  assert_non_null(strstr(err.message, "a smaller batch?"));
}

static void test_finite(void **state) {
  TdError err = {0};
  CudaInfo info;
  JitOptions o = {.cache = *state};
  Device *d = cuda_device(&program, &o, &info, &err);
  if (d == NULL) fail_msg("%s", err.message);
  finite_case(d);
  d->does->close(d);
}

int main(int argc, char **argv) {
  (void)argc;
  if (!emulator_find(argv[0])) return 1;
#define TEST(f) cmocka_unit_test_setup_teardown(f, emulator_enter, emulator_leave)
  const struct CMUnitTest tests[] = {TEST(test_runs),          TEST(test_behind),
                                     TEST(test_graph_is_used), TEST(test_memory),
                                     TEST(test_no_memory),     TEST(test_finite)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
