/* SPDX-License-Identifier: MIT */
/* A GPU as a device, over the emulated driver and NVRTC: what runs leave, as kernels one by
 * one and as graphs; memory; compiling and its cache; and every call that can fail. */
#define _GNU_SOURCE /* memmem */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/cuda/compile.h"
#include "runtime/cuda/device.h"
#include "runtime/cuda/probe.h"
#include "runtime/cuda/gpu.h"
#include "runtime/session.h"
#include "runtime/system/cache.h"
#include "runtime/system/io.h"
#include "tests/finite_case.h"

/* ---- a program, as the compiler writes one ------------------------------------------------- */

static const char prelude[] =
    "#ifndef TD_EMULATED\n"
    "typedef struct TdControl { unsigned long long seed; long long step; } TdControl;\n"
    "#define TD_KERNEL(threads, resident) \\\n"
    "  extern \"C\" __global__ void __launch_bounds__(threads, resident)\n"
    "#define TD_DEVICE static __device__ __forceinline__\n"
    "TD_DEVICE int td_thread(void) { return (int)threadIdx.x; }\n"
    "TD_DEVICE int td_threads(void) { return (int)blockDim.x; }\n"
    "TD_DEVICE long long td_block(void) { return (long long)blockIdx.x; }\n"
    "TD_DEVICE void td_barrier(void) { __syncthreads(); }\n"
    "TD_DEVICE unsigned char *td_shared_memory(void) {\n"
    "  extern __shared__ __align__(16) unsigned char td_shared[];\n"
    "  return td_shared;\n"
    "}\n"
    "#endif\n"
    "#define HERE ((int)td_block() * td_threads() + td_thread())\n";

enum { N = 1000, ROWS = 4, THREADS = 128, BLOCKS = (N + THREADS - 1) / THREADS };
enum { LARGE = 64 << 10 }; /* shared memory that has to be asked for */

/* y[i] = x[i] * factor, by way of shared memory */
static const char scale_source[] =
    "TD_KERNEL(128, 1) scale(void *x, void *f, void *y)\n"
    "{\n"
    "  float *s = (float *)td_shared_memory();\n"
    "  const int i = HERE;\n"
    "  s[td_threads() - 1 - td_thread()] = i < 1000 ? ((const float *)x)[i] : 0;\n"
    "  td_barrier();\n"
    "  if (i < 1000) ((float *)y)[i] = s[td_threads() - 1 - td_thread()] * ((const float *)f)[0];\n"
    "}\n";
/* stack[r] = y + r; total += stack[r] */
static const char add_source[] =
    "TD_KERNEL(128, 1) add_row(void *y, void *stack, void *total, long long r)\n"
    "{\n"
    "  const int i = HERE;\n"
    "  if (i < 1000) {\n"
    "    float *row = (float *)stack + r * 1000;\n"
    "    row[i] = ((const float *)y)[i] + (float)r;\n"
    "    ((float *)total)[i] += row[i];\n"
    "  }\n"
    "}\n";
static const char seed_source[] =
    "TD_KERNEL(128, 1) seeds(void *n, const TdControl *control)\n"
    "{\n"
    "  if (td_thread() == 0) *(int *)n = (int)(control->seed * 1000 + control->step);\n"
    "}\n";
/* out[0] += 1, of the steps marked `once` */
static const char count_source[] = "TD_KERNEL(128, 1) count(void *n)\n"
                                   "{\n"
                                   "  if (td_thread() == 0) *(int *)n += 1;\n"
                                   "}\n";
/* out = 10 * a + b: two loops' counters, the outer in slot 1 */
static const char two_source[] =
    "TD_KERNEL(128, 1) two(void *out, long long a, long long b)\n"
    "{\n"
    "  if (td_thread() == 0) ((int *)out)[3 * b + a] = (int)(10 * b + a);\n"
    "}\n";

#define MAP(n) .launch.gpu = {.grid = {n, 1, 1}, .block = {THREADS, 1, 1}, .resident = 1}
static const TdKernel usual_kernels[] = {
    {.name = "scale",
     .source = scale_source,
     .where = "x.td:1",
     .launch.gpu = {.grid = {BLOCKS, 1, 1}, .block = {THREADS, 1, 1}, .shared = LARGE}},
    {.name = "add_row", .source = add_source, .where = "x.td:2", .counters = 1, MAP(BLOCKS)},
    {.name = "seeds", .source = seed_source, .where = "x.td:3", .control = true, MAP(1)},
    {.name = "count", .source = count_source, .where = "x.td:4", MAP(1)},
    {.name = "two", .source = two_source, .where = "x.td:5", .counters = 3, MAP(1)},
};
enum { KERNELS = sizeof usual_kernels / sizeof *usual_kernels };
static TdKernel kernels[KERNELS];

#define FLOATS(n) .type = TD_F32, .rank = 1, .shape = {n}, .count = n, .bytes = 4 * (n)
#define INTS(n) .type = TD_I32, .rank = 1, .shape = {n}, .count = n, .bytes = 4 * (n)
static TdState states[] = {{.name = "total", .type = TD_F32, .rank = 1, .shape = {N}, .count = N}};
static TdBuffer buffers[] = {
    {.kind = TD_INPUT, .name = "x", FLOATS(N)},
    {.kind = TD_INPUT, .name = "factor", FLOATS(1)},
    {.kind = TD_TEMP, .name = "y", FLOATS(N), .offset = 0},
    {.kind = TD_TEMP, .name = "stack", FLOATS(ROWS *N), .offset = 4096},
    {.kind = TD_STATE, .name = "total", FLOATS(N), .state = 0},
    {.kind = TD_TEMP, .name = "n", INTS(1), .offset = 20480},
    {.kind = TD_KEPT, .name = "times", INTS(1)},
    {.kind = TD_TEMP, .name = "pairs", INTS(6), .offset = 20736},
};
static const int scale_args[] = {0, 1, 2}, add_args[] = {2, 3, 4}, seed_args[] = {5},
                 count_args[] = {6}, two_args[] = {7};
static TdStep steps[] = {
    {.kind = TD_LAUNCH, .once = true, .kernel = 3, .nargs = 1, .args = count_args},
    {.kind = TD_LAUNCH, .kernel = 0, .nargs = 3, .args = scale_args},
    {.kind = TD_LOOP, .slot = 0, .count = ROWS, .reverse = true},
    {.kind = TD_LAUNCH, .kernel = 1, .nargs = 3, .args = add_args},
    {.kind = TD_END},
    {.kind = TD_LOOP, .slot = 0, .count = 0},
    {.kind = TD_LAUNCH, .kernel = 1, .nargs = 3, .args = add_args},
    {.kind = TD_END},
    {.kind = TD_LOOP, .slot = 1, .count = 2},
    {.kind = TD_LOOP, .slot = 0, .count = 3},
    {.kind = TD_LAUNCH, .kernel = 4, .nargs = 1, .args = two_args},
    {.kind = TD_END},
    {.kind = TD_END},
    {.kind = TD_LAUNCH, .kernel = 2, .nargs = 1, .args = seed_args},
};
static TdOutput outputs[] = {{"y", 2}, {"n", 5}, {"times", 6}, {"pairs", 7}};
static TdEntry entries[] = {{.name = "run",
                             .buffers = buffers,
                             .nbuffers = 8,
                             .steps = steps,
                             .nsteps = 14,
                             .outputs = outputs,
                             .noutputs = 4,
                             .alignment = 256,
                             .arena_bytes = 20992}};
static TdProgram program = {.name = "test",
                            .prelude = prelude,
                            .states = states,
                            .nstates = 1,
                            .kernels = kernels,
                            .nkernels = KERNELS,
                            .entries = entries,
                            .nentries = 1};

/* ---- the emulated device ------------------------------------------------------------------- */

static char emulator[4096]; /* its folder, beside this program */

static int enter(void **state) {
  char here[512], *folder;
  StrBuf only = {0};
  if (getcwd(here, sizeof here) == NULL) return -1;
  folder = io_join(here, "sandbox-cuda-XXXXXX");
  if (folder == NULL || mkdtemp(folder) == NULL) return -1;
  sb_printf(&only, "%s:-", emulator);
  setenv("TDC_CUDA_LIBRARIES", only.s, 1);
  sb_free(&only);
  static const char *const settings[] = {"FAULT", "DEVICES", "DRIVER", "MEMORY", "CAPABILITY"};
  for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
    char name[32];
    snprintf(name, sizeof name, "TDC_EMU_%s", settings[i]);
    unsetenv(name);
  }
  memcpy(kernels, usual_kernels, sizeof kernels);
  *state = folder;
  return 0;
}

static int leave(void **state) {
  cache_remove_folder(*state);
  free(*state);
  return 0;
}

static Session *open_session(const char *folder, CudaInfo *info, TdError *err) {
  CudaInfo ignored;
  JitOptions o = {.cache = folder, .parallel = 2};
  *err = (TdError){0};
  Device *d = cuda_device(&program, &o, info != NULL ? info : &ignored, err);
  Session *s = session_new(&program, d, err);
  if (s == NULL || session_need(s, (const char *const[]){"run", NULL}, err)) return s;
  session_free(s);
  return NULL;
}

static float x_of(int i) { return (float)(i % 97) - 40; }

static bool set_inputs(Session *s, float factor, TdError *err) {
  float x[N];
  for (int i = 0; i < N; i++) x[i] = x_of(i);
  bool ok =
      session_set_reals(s, 0, "x", x, N, err) && session_set_reals(s, 0, "factor", &factor, 1, err);
  memset(x, 77, sizeof x); /* it was read */
  return ok;
}

/* What the runs so far leave: total is the sum of their factors times x, and 6 for each run. */
typedef struct Expected {
  float factor, factors;
  int runs, firsts; /* firsts: not again */
  int n;
} Expected;

static bool as_expected(const Session *s, const Expected *e, TdError *err) {
  float y[N], total[N];
  int n, times, pairs[6];
  if (!session_read_output(s, 0, "y", 0, N, y, err) ||
      !session_read_output(s, 0, "n", 0, 1, &n, err) ||
      !session_read_output(s, 0, "times", 0, 1, &times, err) ||
      !session_read_output(s, 0, "pairs", 0, 6, pairs, err) ||
      !session_read_state(s, 0, 0, N, total, err))
    return false;
  bool ok = n == e->n && times == e->firsts;
  for (int i = 0; i < N; i++)
    ok = ok && y[i] == x_of(i) * e->factor &&
         total[i] == 4 * x_of(i) * e->factors + 6 * (float)e->runs;
  for (int i = 0; i < 6; i++) ok = ok && pairs[i] == 10 * (i / 3) + i % 3;
  return ok || td_fail(err, TD_NOT_FINITE, "after %d runs: wrong numbers (n %d, times %d)", e->runs,
                       n, times);
}

static bool run_once(Session *s, Expected *e, float factor, uint64_t seed, int64_t step, bool again,
                     const DeviceWatch *watch, TdError *err) {
  if (!set_inputs(s, factor, err)) return false;
  session_run_watched(s, 0, seed, step, again, watch);
  e->factor = factor;
  e->factors += factor;
  e->runs++;
  e->firsts += !again;
  e->n = (int)(seed * 1000 + (uint64_t)step);
  return true;
}

/* ---- runs ---------------------------------------------------------------------------------- */

typedef struct Watched {
  Session *session;
  int before, after, kernels;
  float seen; /* y[1], after the first kernel */
  int times;
  double last; /* when the launch before ended */
} Watched;

static void watch_time(void *ctx, int step, double begin, double end) {
  Watched *w = ctx;
  w->times++;
  assert_true(begin >= w->last && end >= begin && end < 60);
  assert_int_equal(steps[step].kind, TD_LAUNCH);
  w->last = end;
}

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

/* ---- compiling ----------------------------------------------------------------------------- */

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

/* ---- series -------------------------------------------------------------------------------- */

enum { MOST = 8, TOGETHER = 4, OUTPUTS = 4 };

static Series *open_series(Session *s, int most, int together, TdError *err) {
  float x[N];
  for (int i = 0; i < N; i++) x[i] = x_of(i);
  if (!session_set_reals(s, 0, "x", x, N, err)) return NULL;
  return session_series(s, 0, most, together, (const char *const[]){"factor", "nobody"}, 2, err);
}

/* n runs with factors from `factor` on, and what each leaves: y[0], n, times, pairs[0]. */
static bool run_series(Session *s, Series *r, Expected *e, int n, float factor, int64_t step,
                       bool again, TdError *err) {
  double got[MOST * OUTPUTS];
  int firsts = e->firsts;
  for (int i = 0; i < n; i++) {
    if (!series_set_number(r, "factor", factor + i, err)) return false;
    series_run(r, 7, step + i, again || i > 0);
    e->factors += factor + (float)i;
    e->runs++;
  }
  e->firsts += !again;
  if (!series_read(r, got, err)) return false;
  bool ok = series_length(r) == 0;
  for (int i = 0; i < n; i++) {
    const double want[OUTPUTS] = {-40 * ((double)factor + i), (double)(7000 + step + i),
                                  firsts + !again, 0};
    ok = ok && memcmp(got + i * OUTPUTS, want, sizeof want) == 0;
  }
  float total[N];
  if (!session_read_state(s, 0, 0, N, total, err)) return false;
  for (int i = 0; i < N; i++) ok = ok && total[i] == 4 * x_of(i) * e->factors + 6 * (float)e->runs;
  return ok ||
         td_fail(err, TD_NOT_FINITE, "a series of %d from step %d: wrong numbers", n, (int)step);
}

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
 * after anybody else wrote a state, and not between: alone, in series and from one to the other. */
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
    for (int i = 0; i < MOST; i++) series_run(r, 7, i, false);
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
  run_twice(s);
  assert_int_equal(filled(s), 6);
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
  for (int k = 0; k < 2; k++) assert_true(run_series(s, r, &e, MOST, 1, k, true, &err));
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
    for (int i = 0; i < 5; i++) series_run(r, 1, at[i], true);
    assert_true(series_read(r, got, &err));
    for (int i = 0; i < 5; i++) assert_true(got[i * OUTPUTS + 1] == (double)(1000 + at[i]));
  }
  for (int turn = 0; turn < 2; turn++) {
    for (int i = 0; i < MANY; i++) series_run(r, 2, i, true);
    assert_true(series_full(r) && series_read(r, got, &err));
    for (int i = 0; i < MANY; i++) assert_true(got[i * OUTPUTS + 1] == (double)(2000 + i));
  }
  assert_false(series_set_number(r, "nobody", 1, &err));
  session_free(s);
}

/* ---- what can fail ------------------------------------------------------------------------- */

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
  char *folder = io_dirname(argv[0]), *path = folder != NULL ? io_join(folder, "cuda_emu") : NULL;
  if (path == NULL || realpath(path, emulator) == NULL) {
    fprintf(stderr, "the emulated device is not beside %s\n", argv[0]);
    return 1;
  }
  free(folder);
  free(path);
#define TEST(f) cmocka_unit_test_setup_teardown(f, enter, leave)
  const struct CMUnitTest tests[] = {
      TEST(test_faults), /* first: nothing is open yet in this process, which forks */
      TEST(test_nvrtc_itself),
      TEST(test_strange_code),
      TEST(test_runs),
      TEST(test_behind),
      TEST(test_memory),
      TEST(test_finite),
      TEST(test_no_memory),
      TEST(test_cache),
      TEST(test_log),
      TEST(test_architectures),
      TEST(test_wrong_kernel),
      TEST(test_stopped),
      TEST(test_limits),
      TEST(test_graph_is_used),
      TEST(test_late_failure),
      TEST(test_no_gpu),
      TEST(test_series),
      TEST(test_follows),
      TEST(test_series_is_one_graph),
      TEST(test_series_in_parts)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
