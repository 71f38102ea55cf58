/* SPDX-License-Identifier: MIT */
/* The emulated CUDA libraries (tests/cuda_emu/), by kernels that are written here: right ones
 * give numbers that were worked out, and each mistake is told, by its name and its place. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/cuda_emu/loaded.h"

static Loaded L;
static CUstream stream;

static void *open_library(const char *name) {
  char path[256];
  snprintf(path, sizeof path, "build/tests/cuda_emu/%s", name);
  void *h = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (h == NULL) fail_msg("%s", dlerror());
  return h;
}

#define LOAD(library, f)                             \
  *(void **)&L.f = dlsym(open_library(library), #f); \
  assert_non_null(L.f);

static void ok(CUresult r) {
  const char *name = "?";
  if (r != CUDA_SUCCESS) L.cuGetErrorName(r, &name);
  if (r != CUDA_SUCCESS) fail_msg("%s; %s", name, L.emu_last_report());
}

static void open_device(bool check, int seed) {
  char text[16];
  snprintf(text, sizeof text, "%d", seed);
  setenv("TDC_EMU_CHECK", check ? "1" : "0", 1);
  setenv("TDC_EMU_SEED", text, 1);
  CUcontext context;
  ok(L.cuInit(0));
  ok(L.cuDevicePrimaryCtxRetain(&context, 0));
  ok(L.cuCtxSetCurrent(context));
  ok(L.cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
}

static void close_device(void) { ok(L.cuDevicePrimaryCtxRelease_v2(0)); }

/* Compiled; its log if it fails. malloc'ed. */
static char *compile(const char *text, nvrtcResult *r, char **log) {
  static const char *const options[] = {"--gpu-architecture=sm_90a", "--std=c++17"};
  nvrtcProgram p;
  size_t bytes;
  assert_int_equal(L.nvrtcCreateProgram(&p, text, "test.cu", 0, NULL, NULL), NVRTC_SUCCESS);
  *r = L.nvrtcCompileProgram(p, 2, options);
  assert_int_equal(L.nvrtcGetProgramLogSize(p, &bytes), NVRTC_SUCCESS);
  *log = malloc(bytes);
  L.nvrtcGetProgramLog(p, *log);
  char *image = NULL;
  if (*r == NVRTC_SUCCESS) {
    assert_int_equal(L.nvrtcGetCUBINSize(p, &bytes), NVRTC_SUCCESS);
    image = malloc(bytes);
    assert_int_equal(L.nvrtcGetCUBIN(p, image), NVRTC_SUCCESS);
  }
  L.nvrtcDestroyProgram(&p);
  return image;
}

static CUmodule load(const char *text) {
  nvrtcResult r;
  char *log, *image = compile(text, &r, &log);
  if (image == NULL) fail_msg("%s", log);
  CUmodule m;
  ok(L.cuModuleLoadData(&m, image));
  free(image), free(log);
  return m;
}

static CUfunction function(CUmodule m, const char *name) {
  CUfunction f;
  ok(L.cuModuleGetFunction(&f, m, name));
  return f;
}

static CUdeviceptr device(size_t bytes) {
  CUdeviceptr at;
  ok(L.cuMemAlloc_v2(&at, bytes));
  return at;
}

static CUresult launch(CUfunction f, int blocks, int threads, int shared, const void *arguments,
                       size_t bytes) {
  void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, (void *)arguments, CU_LAUNCH_PARAM_BUFFER_SIZE,
                   &bytes, CU_LAUNCH_PARAM_END};
  return L.cuLaunchKernel(f, (unsigned)blocks, 1, 1, (unsigned)threads, 1, 1, (unsigned)shared,
                          stream, NULL, extra);
}

static void up(CUdeviceptr to, const void *from, size_t bytes) {
  ok(L.cuMemcpyHtoDAsync_v2(to, from, bytes, stream));
  ok(L.cuStreamSynchronize(stream));
}

static void down(void *to, CUdeviceptr from, size_t bytes) {
  ok(L.cuMemcpyDtoHAsync_v2(to, from, bytes, stream));
  ok(L.cuStreamSynchronize(stream));
}

/* ---- what is right --------------------------------------------------------------------- */

#define REDUCTION                                                              \
  "TD_KERNEL(256, 1) row_sums(const float *x, float *y, long long n)\n"        \
  "{\n"                                                                        \
  "  float *all = (float *)td_shared_memory();\n"                              \
  "  const float *row = x + td_block() * n;\n"                                 \
  "  float s = 0.0f;\n"                                                        \
  "  for (long long i = td_thread(); i < n; i += td_threads()) s += row[i];\n" \
  "  for (int mask = 1; mask < 32; mask *= 2) s += td_shuffle_xor(s, mask);\n" \
  "  if (td_thread() % 32 == 0) all[td_thread() / 32] = s;\n"                  \
  "  td_barrier();\n"                                                          \
  "  s = 0.0f;\n"                                                              \
  "  for (int w = 0; w < td_threads() / 32; w++) s += all[w];\n"               \
  "  td_barrier();\n"                                                          \
  "  if (td_thread() == 0) all[0] = 1.0f;\n"                                   \
  "  if (td_thread() == 0) y[td_block()] = s;\n"                               \
  "}\n"

typedef struct Sums {
  CUdeviceptr x, y;
  int64_t n;
} Sums;

/* Row r holds r + 1 times 0 .. n-1: its sum is (r + 1) n (n - 1) / 2, exact in f32. */
static void check_sums(CUmodule m, int threads) {
  enum { ROWS = 7, N = 301 };
  float x[ROWS * N], y[ROWS];
  for (int i = 0; i < ROWS * N; i++) x[i] = (float)((i / N + 1) * (i % N));
  Sums a = {device(sizeof x), device(sizeof y), N};
  up(a.x, x, sizeof x);
  ok(launch(function(m, "row_sums"), ROWS, threads, 4 * threads / 32, &a, sizeof a));
  down(y, a.y, sizeof y);
  for (int r = 0; r < ROWS; r++) assert_true(y[r] == (float)((r + 1) * (N * (N - 1) / 2)));
  ok(L.cuMemFree_v2(a.x));
  ok(L.cuMemFree_v2(a.y));
}

static void reductions_are_right(void **state) {
  (void)state;
  for (int seed = 1; seed <= 6; seed++) {
    int before = L.emu_reports();
    open_device(false, seed);
    CUmodule m = load(REDUCTION);
    check_sums(m, 32);
    check_sums(m, 256);
    ok(L.cuModuleUnload(m));
    ok(L.cuStreamDestroy_v2(stream));
    close_device(); /* nothing is left, or that would be told */
    assert_int_equal(L.emu_reports(), before);
  }
}

int main(void) {
  LOADED(LOAD)
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(reductions_are_right),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
