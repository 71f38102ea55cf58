/* SPDX-License-Identifier: MIT */
/* A GPU as a device, over the emulated driver and NVRTC: every call that can fail does, in turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/cuda_case.h"

enum { RIGHT = 40, TOLD, WRONG, NOT_TOLD }; /* exit codes that nothing else has */

/* A whole life: open, prepare, run seven times and three series, read; in a process of its own.
 * RIGHT: the numbers are; TOLD: it failed with a message, and everything after it too. */
static int whole_life(const char *folder) {
  TdError err = {0}, later = {0};
  Session *s = open_session(folder, NULL, &err);
  Expected e = {0};
  if (s == NULL) return err.status == TD_NO_TOOL || err.status == TD_IO_FAILED ? TOLD : NOT_TOLD;
  Snapshot *copy = snapshot_new(s); /* its message is its caller's */
  Series *r = copy != NULL ? open_series(s, MOST, TOGETHER, &err) : NULL;
  if (r == NULL) {
    snapshot_free(copy);
    session_free(s);
    return TOLD;
  }
  static const float zeros[N];
  for (int i = 0; i < 800; i++) session_write_state(s, 0, 0, N, zeros); /* 3 MB: staged by halves */
  snapshot_take(copy);
  snapshot_restore(copy);
  bool ok = true;
  for (int k = 0; ok && k < 7; k++) {
    Watched w = {.session = s};
    DeviceWatch watch = {.ctx = &w, .time = watch_time};
    ok = run_once(s, &e, (float)k, 5, k, k > 3, k == 5 ? &watch : NULL, &err);
    if (k == 2 || k == 6) ok = ok && as_expected(s, &e, &err);
  }
  for (int k = 0; ok && k < 3; k++) ok = run_series(s, r, &e, TOGETHER, (float)k, k, true, &err);
  NanSource bad = session_check_states(s); /* who fails here is told by the next */
  ok = ok && session_sync(s, &err) && (!bad.found || td_fail(&err, TD_NOT_FINITE, "a NaN"));
  int end = ok ? RIGHT : err.status == TD_NOT_FINITE ? WRONG : TOLD;
  if (!ok && end == TOLD) { /* it stays so */
    session_run(s, 0, 0, 0);
    if (session_sync(s, &later) || later.status != err.status ||
        strcmp(later.message, err.message) != 0)
      end = NOT_TOLD;
    if (err.status != TD_NO_TOOL && err.status != TD_IO_FAILED) end = NOT_TOLD;
  }
  snapshot_free(copy);
  session_free(s);
  return end;
}

static int in_a_child(const char *folder, const char *fault) {
  pid_t child = fork();
  if (child == 0) {
    setenv("TDC_EMU_FAULT", fault, 1);
    _exit(whole_life(folder));
  }
  int status;
  if (waitpid(child, &status, 0) != child || !WIFEXITED(status)) return -1;
  return WEXITSTATUS(status);
}

/* These may fail without harm: what they do is left out, done otherwise or over anyway. */
static const char *const harmless[] = {"cuMemGetInfo_v2",
                                       "cuStreamBeginCapture_v2",
                                       "cuGraphInstantiateWithFlags",
                                       "cuGraphDestroy",
                                       "cuGraphExecDestroy",
                                       "cuMemFree_v2",
                                       "cuMemFreeHost",
                                       "cuModuleUnload",
                                       "cuEventDestroy_v2",
                                       "cuStreamDestroy_v2",
                                       "cuDevicePrimaryCtxRelease_v2",
                                       "cuGetErrorName",
                                       "cuGetErrorString",
                                       "nvrtcDestroyProgram",
                                       "nvrtcGetErrorString",
                                       "nvrtcGetProgramLogSize",
                                       "nvrtcGetProgramLog"};

static bool is_harmless(const char *name) {
  for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++)
    if (strcmp(harmless[i], name) == 0) return true;
  return false;
}

/* Every call of every function fails in turn, each with the code that it would. */
static void fail_calls(const char *folder, const char *name, int code, int *told) {
  for (int n = 1; n < 60; n++) {
    char fault[96];
    snprintf(fault, sizeof fault, "%s:%d:%d", name, n, code);
    int end = in_a_child(folder, fault);
    if (end == TOLD && !is_harmless(name)) {
      (*told)++;
      continue;
    }
    if (end != RIGHT) fail_msg("%s: ended with %d", fault, end);
    return; /* there is no n-th call, or it does not matter */
  }
}

static void test_faults(void **state) {
  static const char *const names[] = {
#define DRIVER(result, name, parameters) #name,
#define NVRTC(result, name, parameters) #name,
#include "runtime/cuda/functions.def"
  };
  int told = 0;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    bool nvrtc = strncmp(names[i], "nvrtc", 5) == 0;
    char cache[4200];
    /* NVRTC is asked only where the cache has nothing */
    snprintf(cache, sizeof cache, "%s/%s", (char *)*state, nvrtc ? names[i] : "cache");
    int before = told;
    fail_calls(cache, names[i],
               nvrtc                                    ? 1
               : strcmp(names[i], "cuMemAlloc_v2") == 0 ? 2
                                                        : 999,
               &told);
    if (told == before && !is_harmless(names[i]))
      fail_msg("%s: it failed and nobody noticed", names[i]);
  }
  assert_true(told >= 40);
}

/* What fails while the device is behind is told with the entry's name when somebody waits. */
static void test_late_failure(void **state) {
  TdError err = {0}, again = {0};
  float y;
  Session *s = open_session(*state, NULL, &err);
  Expected e = {0};
  assert_non_null(s);
  assert_true(run_once(s, &e, 1, 0, 0, false, NULL, &err) && session_sync(s, &err));
  setenv("TDC_EMU_FAULT", "cuStreamSynchronize:1:719", 1);
  assert_true(run_once(s, &e, 1, 0, 0, false, NULL, &err));
  assert_false(session_read_output(s, 0, "y", 0, 1, &y, &err));
  assert_int_equal(err.status, TD_NO_TOOL);
  assert_non_null(strstr(err.message, "running 'run', or before it"));
  assert_non_null(strstr(err.message, "719"));
  unsetenv("TDC_EMU_FAULT");
  assert_false(session_sync(s, &again));
  assert_string_equal(again.message, err.message);
  session_free(s);
}

static void test_no_gpu(void **state) {
  TdError err;
  setenv("TDC_EMU_DEVICES", "0", 1);
  assert_null(open_session(*state, NULL, &err));
  assert_int_equal(err.status, TD_NO_TOOL);
  assert_non_null(strstr(err.message, "sees no GPU"));
  unsetenv("TDC_EMU_DEVICES");
  setenv("TDC_EMU_DRIVER", "11040", 1);
  assert_null(open_session(*state, NULL, &err));
  assert_int_equal(err.status, TD_NO_TOOL);
  assert_non_null(strstr(err.message, "CUDA 11.4, which is too old"));
}

int main(int argc, char **argv) {
  (void)argc;
  if (!emulator_find(argv[0])) return 1;
#define TEST(f) cmocka_unit_test_setup_teardown(f, emulator_enter, emulator_leave)
  const struct CMUnitTest tests[] = {
      TEST(test_faults), /* first: nothing is open yet in this process, which forks */
      TEST(test_late_failure), TEST(test_no_gpu)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
