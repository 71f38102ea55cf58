/* SPDX-License-Identifier: MIT */
/* See cuda_case.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/system/io.h"
#include "tests/cuda_case.h"
#include "tests/sandbox.h"

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
const char count_source[] = "TD_KERNEL(128, 1) count(void *n)\n"
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
TdKernel kernels[KERNELS];
_Static_assert(sizeof usual_kernels == sizeof kernels, "each kernel has its number");

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
TdStep steps[] = {
    {.kind = TD_LAUNCH, .once = TD_LASTING, .kernel = 3, .nargs = 1, .args = count_args},
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
static int changes[] = {0};
TdEntry entries[] = {{.name = "run",
                      .changes = changes,
                      .nchanges = 1,
                      .buffers = buffers,
                      .nbuffers = 8,
                      .steps = steps,
                      .nsteps = 14,
                      .outputs = outputs,
                      .noutputs = 4,
                      .alignment = 256,
                      .arena_bytes = 20992}};
TdProgram program = {.name = "test",
                     .prelude = prelude,
                     .states = states,
                     .nstates = 1,
                     .kernels = kernels,
                     .nkernels = KERNELS,
                     .entries = entries,
                     .nentries = 1};

/* ---- the emulated device ------------------------------------------------------------------- */

char emulator[4096];

bool emulator_find(const char *test) {
  char *folder = io_dirname(test), *path = folder != NULL ? io_join(folder, "cuda_emu") : NULL;
  bool found = path != NULL && realpath(path, emulator) != NULL;
  if (!found) fprintf(stderr, "the emulated device is not beside %s\n", test);
  free(folder);
  free(path);
  return found;
}

int emulator_enter(void **state) {
  StrBuf only = {0};
  if (sandbox_make(state) != 0) return -1;
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
  return 0;
}

int emulator_leave(void **state) { return sandbox_remove(state); }

Session *open_session(const char *folder, CudaInfo *info, TdError *err) {
  CudaInfo ignored;
  JitOptions o = {.cache = folder, .parallel = 2};
  *err = (TdError){0};
  Device *d = cuda_device(&program, &o, info != NULL ? info : &ignored, err);
  Session *s = session_new(&program, d, err);
  if (s == NULL || session_need(s, (const char *const[]){"run", NULL}, err)) return s;
  session_free(s);
  return NULL;
}

float x_of(int i) { return (float)(i % 97) - 40; }

static bool set_inputs(Session *s, float factor, TdError *err) {
  float x[N];
  for (int i = 0; i < N; i++) x[i] = x_of(i);
  bool ok =
      session_set_reals(s, 0, "x", x, N, err) && session_set_reals(s, 0, "factor", &factor, 1, err);
  memset(x, 77, sizeof x); /* it was read */
  return ok;
}

bool as_expected(const Session *s, const Expected *e, TdError *err) {
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

bool run_once(Session *s, Expected *e, float factor, uint64_t seed, int64_t step, bool again,
              const DeviceWatch *watch, TdError *err) {
  if (!set_inputs(s, factor, err)) return false;
  if (!again) session_forget(s, 0);
  session_run_watched(s, 0, seed, step, watch);
  e->factor = factor;
  e->factors += factor;
  e->runs++;
  e->firsts += !again;
  e->n = (int)(seed * 1000 + (uint64_t)step);
  return true;
}

/* ---- series -------------------------------------------------------------------------------- */

Series *open_series(Session *s, int most, int together, TdError *err) {
  float x[N];
  for (int i = 0; i < N; i++) x[i] = x_of(i);
  if (!session_set_reals(s, 0, "x", x, N, err)) return NULL;
  return session_series(s, 0, most, together, (const char *const[]){"factor", "nobody"}, 2, err);
}

bool run_series(Session *s, Series *r, Expected *e, int n, float factor, int64_t step, bool again,
                TdError *err) {
  double got[MOST * OUTPUTS];
  int firsts = e->firsts;
  if (!again) session_forget(s, 0);
  for (int i = 0; i < n; i++) {
    if (!series_set_number(r, "factor", factor + i, err)) return false;
    series_run(r, 7, step + i);
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

/* ---- who watches ----------------------------------------------------------------------------- */

void watch_time(void *ctx, int step, double begin, double end) {
  Watched *w = ctx;
  w->times++;
  assert_true(begin >= w->last && end >= begin && end < 60);
  assert_int_equal(steps[step].kind, TD_LAUNCH);
  w->last = end;
}
