/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "tests/cuda_emu/loaded.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

Loaded emu;
CUstream stream;

static void *find(const char *name, const char *function) {
  char path[256];
  snprintf(path, sizeof path, "build/tests/cuda_emu/%s", name);
  void *h = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (h == NULL) fail_msg("%s", dlerror());
  void *found = dlsym(h, function);
  if (found == NULL) fail_msg("%s has no %s", name, function);
  return found;
}

void emu_load(void) {
#define LOADED(library, f) *(void **)&emu.f = find(library, #f);
#include "tests/cuda_emu/loaded.def"
#undef LOADED
}

void ok(CUresult r) {
  const char *name = "?";
  if (r != CUDA_SUCCESS) emu.cuGetErrorName(r, &name);
  if (r != CUDA_SUCCESS) fail_msg("%s; %s", name, emu.emu_last_report());
}

void open_device(bool check, int seed) {
  char text[16];
  snprintf(text, sizeof text, "%d", seed);
  setenv("TDC_EMU_CHECK", check ? "1" : "0", 1);
  setenv("TDC_EMU_SEED", text, 1);
  CUcontext context;
  ok(emu.cuInit(0));
  ok(emu.cuDevicePrimaryCtxRetain(&context, 0));
  ok(emu.cuCtxSetCurrent(context));
  ok(emu.cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
}

void close_device(void) { ok(emu.cuDevicePrimaryCtxRelease_v2(0)); }

char *compile(const char *text, nvrtcResult *r, char **log) {
  static const char *const options[] = {"--gpu-architecture=sm_90a", "--std=c++17"};
  nvrtcProgram p;
  size_t bytes;
  assert_int_equal(emu.nvrtcCreateProgram(&p, text, "test.cu", 0, NULL, NULL), NVRTC_SUCCESS);
  *r = emu.nvrtcCompileProgram(p, 2, options);
  assert_int_equal(emu.nvrtcGetProgramLogSize(p, &bytes), NVRTC_SUCCESS);
  *log = malloc(bytes);
  emu.nvrtcGetProgramLog(p, *log);
  char *image = NULL;
  if (*r == NVRTC_SUCCESS) {
    assert_int_equal(emu.nvrtcGetCUBINSize(p, &bytes), NVRTC_SUCCESS);
    image = malloc(bytes);
    assert_int_equal(emu.nvrtcGetCUBIN(p, image), NVRTC_SUCCESS);
  }
  emu.nvrtcDestroyProgram(&p);
  return image;
}

/* The last text is not compiled again. */
CUmodule load(const char *text) {
  static char *last, *image;
  char *log, *key;
  nvrtcResult r;
  if (asprintf(&key, "%s\n%s", getenv("TDC_EMU_CHECK"), text) < 0) abort();
  if (last == NULL || strcmp(last, key) != 0) {
    free(last), free(image);
    last = key;
    image = compile(text, &r, &log);
    if (image == NULL) fail_msg("%s", log);
    free(log);
  } else {
    free(key);
  }
  CUmodule m;
  ok(emu.cuModuleLoadData(&m, image));
  return m;
}

CUfunction function(CUmodule m, const char *name) {
  CUfunction f;
  ok(emu.cuModuleGetFunction(&f, m, name));
  return f;
}

CUdeviceptr device(size_t bytes) {
  CUdeviceptr at;
  ok(emu.cuMemAlloc_v2(&at, bytes));
  return at;
}

CUresult launch(CUfunction f, int blocks, int threads, int shared, const void *arguments,
                size_t bytes) {
  void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, (void *)arguments, CU_LAUNCH_PARAM_BUFFER_SIZE,
                   &bytes, CU_LAUNCH_PARAM_END};
  return emu.cuLaunchKernel(f, (unsigned)blocks, 1, 1, (unsigned)threads, 1, 1, (unsigned)shared,
                            stream, NULL, extra);
}

void up(CUdeviceptr to, const void *from, size_t bytes) {
  ok(emu.cuMemcpyHtoDAsync_v2(to, from, bytes, stream));
  ok(emu.cuStreamSynchronize(stream));
}

void down(void *to, CUdeviceptr from, size_t bytes) {
  ok(emu.cuMemcpyDtoHAsync_v2(to, from, bytes, stream));
  ok(emu.cuStreamSynchronize(stream));
}
