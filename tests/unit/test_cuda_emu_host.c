/* SPDX-License-Identifier: MIT */
/* The emulated libraries (tests/cuda_emu/) as a host meets them: work is late, what is wrong
 * is refused or told, graphs keep what was captured, and calls fail when they are asked to. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/cuda_emu/loaded.h"

static const char add[] = "TD_KERNEL(64, 1) add(float *y, long long n)\n"
                          "{\n"
                          "  y[td_thread()] += (float)n;\n"
                          "}\n"
                          "TD_KERNEL(64, 1) wide(float *y, long long n)\n"
                          "{\n"
                          "  float *all = (float *)td_shared_memory();\n"
                          "  all[n] = 3.0f;\n"
                          "  td_barrier();\n"
                          "  y[td_thread()] = all[n] + (float)n;\n"
                          "}\n";
typedef struct Add {
  CUdeviceptr y;
  int64_t n;
} Add;
enum { THREADS = 64, BYTES = THREADS * 4 };

static void told(const char *what) {
  if (strstr(emu.emu_last_report(), what) == NULL)
    fail_msg("'%s' is not in: %s", what, emu.emu_last_report());
}

static CUresult wait_for_all(void) { return emu.cuStreamSynchronize(stream); }

/* 64 zeros */
static Add zeros(void) {
  Add a = {device(BYTES), 0};
  ok(emu.cuMemsetD8Async(a.y, 0, BYTES, stream));
  return a;
}

static float first(CUdeviceptr y) {
  float x[THREADS];
  down(x, y, BYTES);
  for (int i = 1; i < THREADS; i++) assert_true(x[i] == x[0]);
  return x[0];
}

/* ---- order and time ---- */

/* A buffer that is changed after an upload, a result that is read before it is waited for:
 * by some seed either shows. */
static void work_is_late(void **state) {
  (void)state;
  int late_read = 0, late_write = 0, early = 0;
  for (int seed = 1; seed <= 12; seed++) {
    open_device(false, seed);
    float from[THREADS], to[THREADS];
    for (int i = 0; i < THREADS; i++) from[i] = 1.0f;
    CUdeviceptr y = device(BYTES);
    ok(emu.cuMemcpyHtoDAsync_v2(y, from, BYTES, stream));
    if (seed % 2 == 0) emu.cuStreamQuery(stream);
    for (int i = 0; i < THREADS; i++) from[i] = 2.0f;
    ok(emu.cuMemcpyDtoHAsync_v2(to, y, BYTES, stream));
    late_write += to[0] != 1.0f && to[0] != 2.0f;
    ok(wait_for_all());
    assert_true(to[0] == 1.0f || to[0] == 2.0f);
    late_read += to[0] == 2.0f;
    early += to[0] == 1.0f;
    close_device();
  }
  assert_true(late_read > 0 && early > 0 && late_write > 0);
}

static void streams_wait_for_events(void **state) {
  (void)state;
  for (int seed = 1; seed <= 8; seed++) {
    open_device(false, seed);
    CUmodule m = load(add);
    CUstream other, mine = stream;
    CUevent before, after;
    float x[THREADS], milliseconds = -1.0f;
    ok(emu.cuStreamCreate(&other, CU_STREAM_NON_BLOCKING));
    ok(emu.cuEventCreate(&before, CU_EVENT_DEFAULT));
    ok(emu.cuEventCreate(&after, CU_EVENT_DEFAULT));
    assert_int_equal(emu.cuEventQuery(after), CUDA_SUCCESS);
    Add a = zeros();
    a.n = 5;
    ok(emu.cuEventRecord(before, stream));
    ok(launch(function(m, "add"), 1, THREADS, 0, &a, sizeof a));
    ok(emu.cuEventRecord(after, stream));
    ok(emu.cuStreamWaitEvent(other, after, 0));
    ok(emu.cuMemcpyDtoHAsync_v2(x, a.y, BYTES, other));
    stream = other;
    ok(wait_for_all()); /* the other stream's work before the event is done with it */
    assert_true(x[0] == 5.0f && x[63] == 5.0f);
    ok(emu.cuEventSynchronize(after));
    ok(emu.cuEventElapsedTime(&milliseconds, before, after));
    assert_true(milliseconds >= 0.0f);
    stream = mine;
    close_device();
  }
}

/* ---- what is refused ---- */

static void launches_have_limits(void **state) {
  (void)state;
  open_device(false, 1);
  CUmodule m = load(add);
  CUfunction f = function(m, "wide");
  Add a = {device(BYTES), 12500}; /* at byte 50,000 */
  int most;
  ok(emu.cuFuncGetAttribute(&most, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, f));
  assert_int_equal(most, 64);
  assert_int_equal(launch(f, 1, 65, 0, &a, sizeof a), CUDA_ERROR_INVALID_VALUE);
  assert_int_equal(launch(f, 0, 64, 0, &a, sizeof a), CUDA_ERROR_INVALID_VALUE);
  assert_int_equal(launch(f, 1, 0, 0, &a, sizeof a), CUDA_ERROR_INVALID_VALUE);
  assert_int_equal(launch(f, 1, 64, 50048, &a, sizeof a), CUDA_ERROR_INVALID_VALUE);
  assert_int_equal(
      emu.cuFuncSetAttribute(f, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 232449),
      CUDA_ERROR_INVALID_VALUE);
  ok(emu.cuFuncSetAttribute(f, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 50048));
  ok(launch(f, 1, 64, 50048, &a, sizeof a));
  assert_true(first(a.y) == 12503.0f);
  assert_int_equal(launch(f, 1, 64, 50048, &a, 8), CUDA_ERROR_INVALID_VALUE);
  told("arguments: kernel wide takes 2 of eight bytes, and is given 8 bytes");
  CUfunction none;
  assert_int_equal(emu.cuModuleGetFunction(&none, m, "narrow"), CUDA_ERROR_NOT_FOUND);
  close_device();
}

static void wrong_addresses_are_told(void **state) {
  (void)state;
  float host[THREADS] = {0};
  open_device(false, 1);
  CUmodule m = load(add);
  Add a = zeros();
  ok(wait_for_all());
  assert_int_equal(emu.cuMemcpyHtoDAsync_v2((CUdeviceptr)(uintptr_t)host, host, 4, stream),
                   CUDA_ERROR_INVALID_VALUE);
  told("bad address: cuMemcpyHtoDAsync_v2: 4 bytes at");
  assert_int_equal(emu.cuMemcpyDtoHAsync_v2((void *)(uintptr_t)a.y, a.y, 4, stream),
                   CUDA_ERROR_INVALID_VALUE);
  told("is not the host's");
  assert_int_equal(emu.cuMemsetD8Async(a.y + 1, 0, BYTES, stream), CUDA_ERROR_INVALID_VALUE);
  told("256 bytes at");
  assert_int_equal(emu.cuMemcpyDtoDAsync_v2(a.y + 4, a.y, 8, stream), CUDA_ERROR_INVALID_VALUE);
  told("share bytes");
  Add wrong = {(CUdeviceptr)(uintptr_t)host, 1};
  ok(launch(function(m, "add"), 1, THREADS, 0, &wrong, sizeof wrong));
  assert_int_equal(wait_for_all(), CUDA_ERROR_ILLEGAL_ADDRESS);
  told("bad address: argument 00 of kernel add: no memory of the device");
  close_device();
}

/* After a failure every call of the context fails the same way; the next context works. */
static void a_failure_stays(void **state) {
  (void)state;
  open_device(false, 1);
  CUmodule m = load(add);
  CUfunction f = function(m, "add");
  Add a = zeros();
  ok(emu.cuMemFree_v2(a.y)); /* waits for the fill */
  CUresult r = launch(f, 1, THREADS, 0, &a, sizeof a);
  if (r == CUDA_SUCCESS) r = wait_for_all();
  assert_int_equal(r, CUDA_ERROR_ILLEGAL_ADDRESS);
  told("use after free: argument 00 of kernel add: byte 0 of a freed block of 256 bytes");
  CUdeviceptr y;
  assert_int_equal(emu.cuMemAlloc_v2(&y, 16), CUDA_ERROR_ILLEGAL_ADDRESS);
  assert_int_equal(wait_for_all(), CUDA_ERROR_ILLEGAL_ADDRESS);
  close_device();
  open_device(false, 1);
  assert_true(first(zeros().y) == 0.0f);
  close_device();
}

static void handles_are_looked_at(void **state) {
  (void)state;
  open_device(false, 1);
  CUstream gone;
  CUevent event;
  CUdeviceptr y = device(16);
  ok(emu.cuStreamCreate(&gone, CU_STREAM_DEFAULT));
  ok(emu.cuStreamDestroy_v2(gone));
  assert_int_equal(emu.cuStreamSynchronize(gone), CUDA_ERROR_INVALID_HANDLE);
  told("is no stream");
  ok(emu.cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
  ok(emu.cuEventDestroy_v2(event));
  assert_int_equal(emu.cuEventRecord(event, stream), CUDA_ERROR_INVALID_HANDLE);
  ok(emu.cuMemFree_v2(y));
  assert_int_equal(emu.cuMemFree_v2(y), CUDA_ERROR_INVALID_VALUE);
  told("double free: cuMemFree of a block of 16 bytes");
  assert_int_equal(emu.cuMemFreeHost(&y), CUDA_ERROR_INVALID_VALUE);
  void *pinned;
  ok(emu.cuMemHostAlloc(&pinned, 16, 0));
  device(1000);
  close_device();
  told("leak: alive when the context is released, stream: 1, memory: 1 blocks");
}

/* What a process told before it died of SIGSEGV. */
static void dies(void (*act)(void), const char *what) {
  char path[] = "/tmp/tdc-emu-report-XXXXXX", text[512] = "";
  int fd = mkstemp(path), status;
  assert_true(fd >= 0);
  pid_t pid = fork();
  if (pid == 0) {
    signal(SIGSEGV, SIG_DFL);
    setenv("TDC_EMU_REPORT", path, 1);
    open_device(false, 1);
    act();
    _exit(0);
  }
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
  assert_true(read(fd, text, sizeof text - 1) > 0);
  if (strstr(text, what) == NULL) fail_msg("'%s' is not in: %s", what, text);
  close(fd);
  unlink(path);
}

static void touch_device_memory(void) { *(volatile float *)(uintptr_t)device(16) = 1.0f; }

static void upload_what_is_gone(void) {
  CUdeviceptr y = device(BYTES);
  void *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  emu.cuMemcpyHtoDAsync_v2(y, map, BYTES, stream);
  munmap(map, 4096);
  wait_for_all();
}

static void the_host_does_not_reach_device_memory(void **state) {
  (void)state;
  dies(touch_device_memory, "host access: the host touches the device's memory at");
  dies(upload_what_is_gone, "host memory: cuMemcpyHtoDAsync meets host memory at");
}

/* A kind that is allowed is not told, and does not stop what runs. */
static void kinds_may_be_allowed(void **state) {
  (void)state;
  static const char text[] = "TD_KERNEL(64, 1) add(float *y, long long n)\n"
                             "{\n"
                             "  y[0] = (float)n;\n"
                             "}\n";
  for (int allowed = 0; allowed <= 1; allowed++) {
    if (allowed) setenv("TDC_EMU_ALLOW", "leak,race", 1);
    int before = emu.emu_reports();
    open_device(true, 1);
    Add a = {device(BYTES), 7};
    ok(launch(function(load(text), "add"), 1, THREADS, 0, &a, sizeof a));
    assert_int_equal(wait_for_all(), allowed ? CUDA_SUCCESS : CUDA_ERROR_LAUNCH_FAILED);
    close_device();
    assert_int_equal(emu.emu_reports() - before, !allowed);
    if (!allowed) told("at test.cu:3, which thread ");
  }
  unsetenv("TDC_EMU_ALLOW");
}

/* ---- graphs ---- */

static void graphs_keep_what_was_captured(void **state) {
  (void)state;
  for (int seed = 1; seed <= 4; seed++) {
    open_device(false, seed);
    CUmodule m = load(add);
    CUgraph graph;
    CUgraphExec exec;
    Add a = zeros();
    float *pinned, x[THREADS];
    ok(emu.cuMemHostAlloc((void **)&pinned, BYTES, 0));
    CUdeviceptr z = device(BYTES);
    ok(emu.cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
    for (a.n = 1; a.n <= 4; a.n++) ok(launch(function(m, "add"), 1, THREADS, 0, &a, sizeof a));
    ok(emu.cuMemcpyHtoDAsync_v2(z, pinned, BYTES, stream));
    a.n = 1000;
    ok(emu.cuStreamEndCapture(stream, &graph));
    assert_true(first(a.y) == 0.0f); /* nothing ran */
    ok(emu.cuGraphInstantiateWithFlags(&exec, graph, 0));
    ok(emu.cuGraphDestroy(graph));
    for (int k = 0; k < 3; k++) {
      for (int i = 0; i < THREADS; i++) pinned[i] = (float)k;
      ok(emu.cuGraphLaunch(exec, stream));
      ok(wait_for_all());
      down(x, z, BYTES);
      assert_true(x[5] == (float)k); /* read when it ran */
    }
    assert_true(first(a.y) == 30.0f); /* three times 1 + 2 + 3 + 4 */
    ok(emu.cuGraphExecDestroy(exec));
    close_device();
  }
}

static void captures_bear_no_waiting(void **state) {
  (void)state;
  open_device(false, 1);
  CUgraph graph;
  CUdeviceptr y = device(BYTES);
  float x[THREADS] = {0};
  ok(emu.cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
  assert_int_equal(wait_for_all(), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  assert_int_equal(emu.cuMemsetD8Async(y, 0, 4, stream), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  assert_int_equal(emu.cuStreamEndCapture(stream, &graph), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  assert_null(graph);
  assert_int_equal(emu.cuStreamEndCapture(stream, &graph), CUDA_ERROR_STREAM_CAPTURE_UNMATCHED);
  ok(emu.cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
  assert_int_equal(emu.cuMemcpyHtoDAsync_v2(y, x, BYTES, stream),
                   CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED); /* memory that may go away */
  assert_int_equal(emu.cuStreamEndCapture(stream, &graph), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  ok(emu.cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
  CUdeviceptr z;
  assert_int_equal(emu.cuMemAlloc_v2(&z, 4), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  assert_int_equal(emu.cuStreamEndCapture(stream, &graph), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  close_device();
}

/* ---- what the environment asks for ---- */

static void calls_fail_when_asked_to(void **state) {
  (void)state;
  open_device(false, 1);
  CUdeviceptr y;
  setenv("TDC_EMU_FAULT", "cuMemAlloc_v2:2:2,kernel:2,nvrtcCompileProgram:1:6,cuStreamQuery:*:46",
         1);
  ok(emu.cuMemAlloc_v2(&y, 16));
  assert_int_equal(emu.cuMemAlloc_v2(&y, 16), CUDA_ERROR_OUT_OF_MEMORY);
  ok(emu.cuMemAlloc_v2(&y, 16));
  for (int i = 0; i < 3; i++) assert_int_equal(emu.cuStreamQuery(stream), 46);
  char *log;
  nvrtcResult r;
  assert_null(compile(add, &r, &log));
  assert_int_equal(r, NVRTC_ERROR_COMPILATION);
  free(log);
  CUfunction f = function(load(add), "add");
  Add a = zeros();
  ok(launch(f, 1, THREADS, 0, &a, sizeof a));
  ok(wait_for_all());
  ok(launch(f, 1, THREADS, 0, &a, sizeof a));
  assert_int_equal(wait_for_all(), CUDA_ERROR_ILLEGAL_ADDRESS);
  unsetenv("TDC_EMU_FAULT");
  close_device();
}

static void the_device_is_as_asked_for(void **state) {
  (void)state;
  int x;
  size_t unused, total;
  setenv("TDC_EMU_DEVICES", "0", 1);
  assert_int_equal(emu.cuInit(0), CUDA_ERROR_NO_DEVICE);
  unsetenv("TDC_EMU_DEVICES");
  ok(emu.cuDriverGetVersion(&x));
  assert_int_equal(x, 13000);
  setenv("TDC_EMU_DRIVER", "11040", 1);
  ok(emu.cuDriverGetVersion(&x));
  assert_int_equal(x, 11040);
  unsetenv("TDC_EMU_DRIVER");
  setenv("TDC_EMU_MEMORY", "1000000", 1);
  open_device(false, 1);
  CUdeviceptr y = device(600000);
  assert_int_equal(emu.cuMemAlloc_v2(&y, 600000), CUDA_ERROR_OUT_OF_MEMORY);
  ok(emu.cuMemGetInfo_v2(&unused, &total));
  assert_int_equal(total, 1000000);
  assert_int_equal(unused, 1000000 - 600064); /* a multiple of 256 */
  unsetenv("TDC_EMU_MEMORY");
  ok(emu.cuDeviceGetAttribute(&x, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 0));
  assert_int_equal(x, 9);
  nvrtcResult r;
  char *log, *image = compile(add, &r, &log), other[64] = "\177ELF";
  CUmodule m;
  setenv("TDC_EMU_CAPABILITY", "80", 1);
  assert_int_equal(emu.cuModuleLoadData(&m, image), CUDA_ERROR_NO_BINARY_FOR_GPU);
  unsetenv("TDC_EMU_CAPABILITY");
  ok(emu.cuModuleLoadData(&m, image));
  assert_int_equal(emu.cuModuleLoadData(&m, other), CUDA_ERROR_INVALID_IMAGE);
  close_device();
  open_device(true, 1); /* loads and stores of that image are not seen */
  assert_int_equal(emu.cuModuleLoadData(&m, image), CUDA_ERROR_NO_BINARY_FOR_GPU);
  close_device();
  free(image), free(log);
}

/* ---- the compiler ---- */

/* Zeros that are left out: the memory holds what it is filled with when it is allocated, and a
 * kernel that adds to it reads what nobody wrote. Other values are written. */
static void zeros_may_be_left_out(void **state) {
  (void)state;
  uint32_t x[THREADS];
  setenv("TDC_EMU_ZEROS", "0", 1);
  open_device(false, 1);
  Add a = zeros();
  down(x, a.y, BYTES);
  assert_int_equal(x[THREADS - 1], 0x7fa17fa1);
  ok(emu.cuMemsetD8Async(a.y, 1, BYTES, stream));
  down(x, a.y, BYTES);
  assert_int_equal(x[THREADS - 1], 0x01010101);
  close_device();
  open_device(true, 1);
  a = zeros();
  ok(launch(function(load(add), "add"), 1, THREADS, 0, &a, sizeof a));
  assert_int_not_equal(wait_for_all(), CUDA_SUCCESS);
  told("uninitialised: kernel add");
  unsetenv("TDC_EMU_ZEROS");
  close_device();
}

/* How many bytes of a block are not poison. */
static size_t other_bytes(CUdeviceptr y, size_t bytes) {
  static const uint8_t poison[4] = {0xa1, 0x7f, 0xa1, 0x7f};
  uint8_t *x = malloc(bytes);
  size_t n = 0;
  assert_non_null(x);
  down(x, y, bytes);
  for (size_t i = 0; i < bytes; i++) n += x[i] != poison[i % 4];
  free(x);
  return n;
}

/* Whatever its size; and what is written into one block is in no other. */
static void memory_is_poison(void **state) {
  (void)state;
  static const size_t sizes[] = {1, 300, 70003, (9 << 20) + 1002};
  open_device(false, 1);
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    CUdeviceptr y = device(sizes[i]);
    assert_int_equal(other_bytes(y, sizes[i]), 0);
    ok(emu.cuMemsetD8Async(y, 1, sizes[i], stream));
    assert_int_equal(other_bytes(y, sizes[i]), sizes[i]);
    assert_int_equal(other_bytes(device(sizes[i]), sizes[i]), 0);
  }
  close_device();
}

static void texts_are_refused(void **state) {
  (void)state;
  static const struct {
    const char *text, *log;
  } cases[] = {
      {"TD_KERNEL(64, 1) f(float *y)\n{\n  y[0] = z;\n}\n", "test.cu(3): error: "},
      {"#line 7 \"model.td\"\nTD_KERNEL(64, 1) f(float *y)\n{\n  y = 1 +;\n}\n",
       "model.td(9): error: "},
      {"/* */\n# include <math.h>\n",
       "test.cu(2): catastrophic error: cannot open source file \"math.h\""},
      {"TD_KERNEL(64, 1) f(void *y)\n{\n  float *x = y;\n}\n", "test.cu(3): error: "}, /* C++ */
      {"TD_KERNEL(64, 1) f(float *y)\n{\n  y[0] = cbrtf(y[1]);\n}\n", "test.cu(3): error: "},
      {"TD_KERNEL(64, 1) f(float *y)\n{\n  __shared__ float x[2];\n}\n", "test.cu(3): error: "},
  };
  setenv("TDC_EMU_CHECK", "0", 1);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    nvrtcResult r;
    char *log;
    assert_null(compile(cases[i].text, &r, &log));
    assert_int_equal(r, NVRTC_ERROR_COMPILATION);
    if (strstr(log, cases[i].log) == NULL) fail_msg("not '%s' but: %s", cases[i].log, log);
    free(log);
  }
  nvrtcProgram p;
  const char *const options[] = {"--gpu-architecture=sm_91"}, *const fast[] = {"--use_fast_math"};
  assert_int_equal(emu.nvrtcCreateProgram(&p, add, NULL, 0, NULL, NULL), NVRTC_SUCCESS);
  assert_int_equal(emu.nvrtcCompileProgram(p, 1, options), NVRTC_ERROR_INVALID_OPTION);
  assert_int_equal(emu.nvrtcCompileProgram(p, 1, fast), NVRTC_ERROR_INVALID_OPTION);
  assert_int_equal(emu.nvrtcDestroyProgram(&p), NVRTC_SUCCESS);
}

int main(void) {
  emu_load();
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(work_is_late),
      cmocka_unit_test(streams_wait_for_events),
      cmocka_unit_test(launches_have_limits),
      cmocka_unit_test(wrong_addresses_are_told),
      cmocka_unit_test(a_failure_stays),
      cmocka_unit_test(handles_are_looked_at),
      cmocka_unit_test(the_host_does_not_reach_device_memory),
      cmocka_unit_test(kinds_may_be_allowed),
      cmocka_unit_test(graphs_keep_what_was_captured),
      cmocka_unit_test(captures_bear_no_waiting),
      cmocka_unit_test(calls_fail_when_asked_to),
      cmocka_unit_test(the_device_is_as_asked_for),
      cmocka_unit_test(zeros_may_be_left_out),
      cmocka_unit_test(memory_is_poison),
      cmocka_unit_test(texts_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
