/* SPDX-License-Identifier: MIT */
/* Kernels for a GPU compiled, over the emulated NVRTC and over the toolkit's own where it is
 * installed: the cache, the log, architectures, and what is refused. */
#define _GNU_SOURCE /* memmem */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/cuda/compile.h"
#include "runtime/cuda/gpu.h"
#include "runtime/cuda/probe.h"
#include "tests/cuda_case.h"

/* Units compiled when the program is opened; below 0: it was not. */
static int compiled(const char *folder, TdError *err) {
  CudaInfo info = {0};
  Session *s = open_session(folder, &info, err);
  int n = s != NULL ? info.stats->compiled : -1;
  session_free(s);
  return n;
}

static void test_cache(void **state) {
  TdError err;
  assert_int_equal(compiled(*state, &err), 1);
  assert_int_equal(compiled(*state, &err), 0);
  setenv("TDC_EMU_CAPABILITY", "80", 1); /* another architecture */
  assert_int_equal(compiled(*state, &err), 1);
  assert_int_equal(compiled(*state, &err), 0);
  unsetenv("TDC_EMU_CAPABILITY");
  assert_int_equal(compiled(*state, &err), 0);
  kernels[2].where = "x.td:33"; /* a line that moved is no reason */
  assert_int_equal(compiled(*state, &err), 0);
  StrBuf s = {0};
  sb_printf(&s, "%s\n", count_source);
  kernels[3].source = s.s;
  assert_int_equal(compiled(*state, &err), 1);
  sb_free(&s);
}

/* Compiled, and with the compiler's words in the entry. */
static void test_log(void **state) {
  TdError err = {0};
  CudaDriver d;
  Nvrtc n;
  JitStats stats = {0};
  assert_true(cuda_driver_open(&d, &err) && cuda_nvrtc_open(&n, &d, &err));
  CubinCompiler c = {.nvrtc = &n, .options = {.cache = *state}};
  cubin_architecture(c.architecture, 9, 0);
  int *group = kernel_groups_all(&program, &err);
  for (int round = 0; round < 2; round++) { /* made, and out of the cache */
    KernelUnits u;
    assert_true(units_make(&u, &program, group, 200, &err));
    Cubin *out = calloc((size_t)u.n, sizeof *out);
    assert_true(u.n > 2);
    assert_true(cubins_make(&c, &program, group, &u, out, &stats, &err));
    assert_int_equal(stats.compiled, u.n);
    for (int i = 0; i < u.n; i++) {
      assert_int_equal(u.at[i].cached, round == 1);
      assert_memory_equal(out[i].code, "\177ELF", 4);
      StrBuf entry = {0};
      sb_printf(&entry, "Compiling entry function '%s' for 'sm_90a'", kernels[u.at[i].first].name);
      assert_non_null(strstr(out[i].log, entry.s));
      assert_non_null(strstr(out[i].log, "registers"));
      sb_free(&entry);
      cubin_free(&out[i]);
    }
    free(out);
    units_free(&u);
  }
  free(group);
}

/* NVIDIA's own compiler, where it is installed, takes the same way. */
static void test_nvrtc_itself(void **state) {
  static const int capabilities[][2] = {{8, 0}, {9, 0}, {10, 0}};
  enum { EM_CUDA = 190, MACHINE = 18 }; /* of an ELF file, and where it says so */
  TdError err = {0};
  Nvrtc n;
  unsetenv("TDC_CUDA_LIBRARIES");
  if (!cuda_nvrtc_open(&n, NULL, &err)) {
    printf("SKIP: NVRTC is not installed\n");
    skip();
  }
  int *group = kernel_groups_all(&program, &err);
  for (int i = 0; i < 3; i++) {
    CubinCompiler c = {.nvrtc = &n, .options = {.cache = *state}};
    JitStats stats = {0};
    KernelUnits u;
    Cubin out = {0};
    cubin_architecture(c.architecture, capabilities[i][0], capabilities[i][1]);
    kernels[3].source = count_source;
    assert_true(units_make(&u, &program, group, 1 << 20, &err) && u.n == 1);
    if (!cubins_make(&c, &program, group, &u, &out, &stats, &err)) fail_msg("%s", err.message);
    assert_memory_equal(out.code, "\177ELF", 4);
    assert_int_equal(out.code[MACHINE], EM_CUDA);
    assert_true(memmem(out.code, out.bytes, "add_row", 7) != NULL);
    assert_non_null(strstr(out.log, "Compiling entry function 'scale'"));
    assert_non_null(strstr(out.log, " registers"));
    assert_non_null(strstr(out.log, "0 bytes spill stores"));
    cubin_free(&out);
    units_free(&u);
    assert_true(units_make(&u, probe_program(), (const int[]){0, 0, 0}, 1 << 20, &err) && u.n == 1);
    if (!cubins_make(&c, probe_program(), (const int[]){0, 0, 0}, &u, &out, &stats, &err))
      fail_msg("%s", err.message);
    for (int k = 0; k < probe_program()->nkernels; k++) {
      char said[64];
      snprintf(said, sizeof said, "entry function '%s'", probe_program()->kernels[k].name);
      const char *log = strstr(out.log, said);
      assert_true(log != NULL && strstr(log, "0 bytes spill stores") != NULL);
    }
    cubin_free(&out);
    units_free(&u);
    kernels[3].source = "TD_KERNEL(128, 1) count(void *n)\n{\n"
                        "#line 4 \"x.td\"\n  *(int *)n += nobody;\n}\n";
    assert_true(units_make(&u, &program, group, 1 << 20, &err) && u.n == 1);
    assert_false(cubins_make(&c, &program, group, &u, &out, &stats, &err));
    assert_int_equal(err.status, TD_NO_TOOL);
    assert_non_null(strstr(err.message, "cannot compile count (x.td:4) for sm_"));
    assert_non_null(strstr(err.message, "x.td(4): error: identifier \"nobody\" is undefined"));
    units_free(&u);
  }
  free(group);
}

/* Compiled by NVIDIA's and given to the emulated driver, which has no use for it. */
static void test_strange_code(void **state) {
  TdError err = {0};
  char path[4200], link[4300];
  StrBuf only = {0};
  snprintf(link, sizeof link, "%s/libcuda.so.1", (char *)*state);
  snprintf(path, sizeof path, "%s/libcuda.so.1", emulator);
  assert_int_equal(symlink(path, link), 0);
  sb_printf(&only, "%s", (char *)*state);
  unsetenv("TDC_CUDA_LIBRARIES");
  Nvrtc n;
  if (!cuda_nvrtc_open(&n, NULL, &err)) {
    printf("SKIP: NVRTC is not installed\n");
    skip();
  }
  setenv("TDC_CUDA_LIBRARIES", only.s, 1);
  sb_free(&only);
  assert_null(open_session(*state, NULL, &err));
  assert_int_equal(err.status, TD_NO_TOOL);
  assert_non_null(strstr(err.message, "does not load "));
  assert_non_null(strstr(err.message, "compiled by NVRTC 1"));
  unlink(link);
}

static void test_architectures(void **state) {
  (void)state;
  static const struct {
    int major, minor;
    const char *name;
  } all[] = {
      {8, 0, "sm_80"}, {8, 9, "sm_89"}, {9, 0, "sm_90a"}, {10, 3, "sm_103a"}, {12, 1, "sm_121a"}};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
    char name[16];
    cubin_architecture(name, all[i].major, all[i].minor);
    assert_string_equal(name, all[i].name);
  }
}

/* The kernel that is wrong is named, with its place, and what the compiler said of it. */
static void test_wrong_kernel(void **state) {
  TdError err;
  kernels[3].source = "TD_KERNEL(128, 1) count(void *n)\n{\n"
                      "#line 4 \"x.td\"\n  *(int *)n += nobody;\n}\n";
  assert_int_equal(compiled(*state, &err), -1);
  assert_int_equal(err.status, TD_NO_TOOL);
  static const char *const said[] = {"cannot compile count (x.td:4) for sm_90a", "nobody",
                                     "x.td(4)"};
  for (size_t i = 0; i < sizeof said / sizeof *said; i++)
    if (strstr(err.message, said[i]) == NULL) fail_msg("no '%s' in: %s", said[i], err.message);
  kernels[3].source = count_source;
  assert_int_equal(compiled(*state, &err), 1);
}

static void test_stopped(void **state) {
  TdError err = {0};
  CudaInfo info;
  volatile sig_atomic_t stop = 2;
  JitOptions o = {.cache = *state, .stop = &stop};
  Device *d = cuda_device(&program, &o, &info, &err);
  Session *s = session_new(&program, d, &err);
  assert_non_null(s);
  assert_false(session_need_one(s, 0, &err));
  assert_int_equal(err.status, TD_STOPPED);
  stop = 0; /* and on again */
  assert_true(session_need_one(s, 0, &err));
  session_free(s);
}

/* Blocks cannot have so much shared memory; or the driver cannot start so many. */
static void test_limits(void **state) {
  TdError err;
  kernels[0].launch.gpu.shared = 400 << 10;
  assert_null(open_session(*state, NULL, &err));
  assert_int_equal(err.status, TD_NO_TOOL);
  assert_non_null(strstr(err.message, "scale (x.td:1) needs 409600 bytes of shared memory"));
  kernels[0].launch.gpu.shared = LARGE;
  kernels[1].launch.gpu.grid[0] = 1LL << 31;
  assert_null(open_session(*state, NULL, &err));
  assert_non_null(strstr(err.message, "add_row (x.td:2) cannot be started"));
  kernels[1].launch.gpu.grid[0] = BLOCKS;
  kernels[1].launch.gpu.block[0] = 0;
  assert_null(open_session(*state, NULL, &err));
}

int main(int argc, char **argv) {
  (void)argc;
  if (!emulator_find(argv[0])) return 1;
#define TEST(f) cmocka_unit_test_setup_teardown(f, emulator_enter, emulator_leave)
  const struct CMUnitTest tests[] = {
      TEST(test_nvrtc_itself),  TEST(test_strange_code), TEST(test_cache),   TEST(test_log),
      TEST(test_architectures), TEST(test_wrong_kernel), TEST(test_stopped), TEST(test_limits)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
