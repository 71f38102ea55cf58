/* SPDX-License-Identifier: MIT */
/* A GPU as a device, over the emulated driver: runs that are started together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/cuda_case.h"

/* One by one, captured, replayed: each run's own factor, seed and step, and the same numbers; whole
 * ones, shorter ones, and a run alone in between. */
static void test_series(void **state) {
  static const int lengths[] = {8, 8, 3, 8, 3, 5, 1, 8, 3, 5, 1, 7};
  TdError err = {0};
  Expected e = {0};
  Session *s = open_session(*state, NULL, &err);
  Series *r = s != NULL ? open_series(s, MOST, TOGETHER, &err) : NULL;
  if (r == NULL) fail_msg("%s", err.message);
  int64_t step = 1;
  for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
    if (!run_series(s, r, &e, lengths[i], (float)i, step, i % 3 > 0, &err))
      fail_msg("%zu: %s", i, err.message);
    step += lengths[i];
    if (i % 4 == 3) {
      if (!run_once(s, &e, 5, 3, 9, true, NULL, &err) || !as_expected(s, &e, &err))
        fail_msg("%zu, alone: %s", i, err.message);
    }
  }
  session_free(s);
}

/* How often the step marked `once` has run. */
static int filled(const Session *s) {
  int times = -1;
  TdError err;
  assert_true(session_read_output(s, 0, "times", 0, 1, &times, &err));
  return times;
}

static void run_twice(Session *s) {
  for (int k = 0; k < 2; k++) session_run(s, 0, 1, k);
}

/* What an entry changes with the states that it follows from is made anew in the first run and
 * after anybody else wrote one, and not between: alone, in series and from one to the other. An
 * entry that does not follow the states that it changes keeps nothing of them. */
static void test_follows(void **state) {
  TdError err = {0};
  double values[MOST * OUTPUTS];
  float number = 1;
  Session *s = open_session(*state, NULL, &err);
  Series *r = s != NULL ? open_series(s, MOST, TOGETHER, &err) : NULL;
  Snapshot *copy = r != NULL ? snapshot_new(s) : NULL;
  assert_non_null(copy);
  assert_true(series_set_number(r, "factor", 1, &err) &&
              session_set_number(s, 0, "factor", 1, &err));
  entries[0].follows = true;
  run_twice(s);
  assert_int_equal(filled(s), 1);
  for (int written = 0; written < 2; written++) {
    if (written) session_write_state(s, 0, 0, 1, &number);
    for (int i = 0; i < MOST; i++) series_run(r, 7, i);
    assert_true(series_read(r, values, &err));
    assert_int_equal(filled(s), 1 + written);
  }
  snapshot_take(copy);
  run_twice(s);
  assert_int_equal(filled(s), 2);
  snapshot_restore(copy);
  run_twice(s);
  assert_int_equal(filled(s), 3);
  session_clear(s);
  run_twice(s);
  assert_int_equal(filled(s), 4);
  entries[0].follows = false;
  session_write_state(s, 0, 0, 1, &number);
  run_twice(s);
  assert_int_equal(filled(s), 4);
  snapshot_free(copy);
  session_free(s);
}

/* Of eight runs four are one graph, and nothing is allocated for them any more. */
static void test_series_is_one_graph(void **state) {
  TdError err = {0};
  Expected e = {0};
  Session *s = open_session(*state, NULL, &err);
  Series *r = s != NULL ? open_series(s, MOST, TOGETHER, &err) : NULL;
  assert_non_null(r);
  for (int k = 0; k < 3; k++) assert_true(run_series(s, r, &e, MOST, 1, k, k > 0, &err));
  setenv("TDC_EMU_FAULT", "cuGraphLaunch:3:700,cuMemAlloc_v2:1,cuGraphInstantiateWithFlags:1", 1);
  if (!run_series(s, r, &e, MOST, 2, 5, true, &err)) fail_msg("%s", err.message);
  assert_false(run_series(s, r, &e, MOST, 2, 5, true, &err));
  assert_non_null(strstr(err.message, "starting a graph"));
  session_free(s);
}

/* Steps that do not count up are another series; and more runs than the device has room for. */
static void test_series_in_parts(void **state) {
  static const int64_t at[] = {1, 2, 10, 11, 11};
  enum { MANY = 300 };
  TdError err = {0};
  double got[MANY * OUTPUTS];
  Session *s = open_session(*state, NULL, &err);
  Series *r = s != NULL ? open_series(s, MANY, MANY, &err) : NULL;
  assert_non_null(r);
  assert_true(series_set_number(r, "factor", 1, &err));
  for (int turn = 0; turn < 3; turn++) {
    for (int i = 0; i < 5; i++) series_run(r, 1, at[i]);
    assert_true(series_read(r, got, &err));
    for (int i = 0; i < 5; i++) assert_true(got[i * OUTPUTS + 1] == (double)(1000 + at[i]));
  }
  for (int turn = 0; turn < 2; turn++) {
    for (int i = 0; i < MANY; i++) series_run(r, 2, i);
    assert_true(series_full(r) && series_read(r, got, &err));
    for (int i = 0; i < MANY; i++) assert_true(got[i * OUTPUTS + 1] == (double)(2000 + i));
  }
  assert_false(series_set_number(r, "nobody", 1, &err));
  session_free(s);
}

int main(int argc, char **argv) {
  (void)argc;
  if (!emulator_find(argv[0])) return 1;
#define TEST(f) cmocka_unit_test_setup_teardown(f, emulator_enter, emulator_leave)
  const struct CMUnitTest tests[] = {TEST(test_series), TEST(test_follows),
                                     TEST(test_series_is_one_graph), TEST(test_series_in_parts)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
