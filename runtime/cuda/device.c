/* SPDX-License-Identifier: MIT */
/* Running entries on a GPU. See device.h.
 *
 * Everything is started on one stream and happens there in its order. A call of the driver
 * that fails is kept: nothing is started any more, and download and sync tell it.
 *
 * Seed and step lie in the GPU's memory, where each run puts its own before it starts. So the
 * launches of a run are the same every time, and from its second run on an entry is one graph
 * of the driver's, which starts without the host's work for each launch. Loop counters are
 * parameters of launches, fixed in the graph. */
#include "runtime/cuda/device.h"

#include <stdlib.h>
#include <string.h>

#include "dsl/base.h"
#include "runtime/cuda/gpu.h"
#include "runtime/cuda/kernels.h"
#include "runtime/cuda/product.h"
#include "runtime/cuda/stage.h"
#include "runtime/cuda/timer.h"
#include "runtime/steps.h"

/* A run of more launches than this is no graph: each takes memory of the host's and the GPU's. */
enum { GRAPH_MOST = 1 << 16, LEAST_BLOCK = 16 };

/* How an entry runs that has run before. */
typedef struct Replay {
  bool ran, plain; /* plain: never as a graph */
  CudaGraphExec graph;
} Replay;

/* An entry with its arguments. */
typedef struct Bound {
  CudaAddress *args; /* of all launches, one after another */
  int *first_arg;    /* by step */
  int *plan;         /* by step: the product's; below 0: a kernel */
  int *match;        /* of steps_match; NULL: not bound yet */
  bool control;      /* a kernel uses seed and step */
  Replay replay[2];  /* [1]: again, without the steps marked `once` */
} Bound;

typedef struct Cuda {
  Device device;
  const TdProgram *program;
  Gpu gpu;
  Nvrtc nvrtc;
  CubinCompiler compiler;
  CudaKernels *kernels;
  Products *products; /* NULL: the program has none */
  Stage stage;
  CudaAddress control; /* of a TdControl */
  Bound *bound;        /* by entry */
  uint64_t *parameters;
  const char *running; /* the entry that was started last, or NULL */
  TdError failed;      /* the first call that failed; TD_OK: none */
} Cuda;

/* ---- failures ------------------------------------------------------------------------- */

/* Keeps the first failure. */
static bool went_well(Cuda *c, CudaResult r, const char *doing) {
  if (r != CUDA_OK && c->failed.status == TD_OK) gpu_fail(&c->gpu, r, doing, &c->failed);
  return r == CUDA_OK;
}

static bool tell(const Cuda *c, TdError *err) {
  return c->failed.status == TD_OK || td_fail(err, c->failed.status, "%s", c->failed.message);
}

/* May something be started? */
static bool enter(Cuda *c) {
  return c->failed.status == TD_OK && went_well(c, gpu_enter(&c->gpu), "it is not to be had");
}

/* What a wait for the work so far ended with. */
static bool waited(Cuda *c, CudaResult r) {
  char doing[128] = "the work so far";
  if (r != CUDA_OK && c->running != NULL)
    snprintf(doing, sizeof doing, "running '%.100s', or before it", c->running);
  return went_well(c, r, doing);
}

static bool wait(Cuda *c) { return waited(c, c->gpu.driver.cuStreamSynchronize(c->gpu.stream)); }

/* ---- memory ----------------------------------------------------------------------------- */

static CudaAddress address(DevicePlace p) { return (CudaAddress)(uintptr_t)p.memory + p.offset; }

static bool no_memory(const Cuda *c, size_t bytes, TdError *err) {
  size_t left = 0, all = 0;
  if (c->gpu.driver.cuMemGetInfo_v2(&left, &all) != CUDA_OK) left = 0;
  return td_fail(err, TD_IO_FAILED,
                 "%s has no %.1f MB of memory left (%.1f MB of %.1f GB are free); a smaller batch?",
                 c->gpu.name, (double)bytes / 1e6, (double)left / 1e6, (double)c->gpu.memory / 1e9);
}

static DeviceMemory *cuda_alloc(Device *d, size_t bytes, TdError *err) {
  Cuda *c = (Cuda *)d;
  const CudaDriver *driver = &c->gpu.driver;
  CudaAddress at = 0;
  size_t block = bytes > LEAST_BLOCK ? bytes : LEAST_BLOCK;
  if (!enter(c)) {
    tell(c, err);
    return NULL;
  }
  CudaResult r = driver->cuMemAlloc_v2(&at, block);
  if (r != CUDA_OK) {
    if (r == CUDA_NO_MEMORY)
      no_memory(c, bytes, err);
    else
      gpu_fail(&c->gpu, r, "its memory", err);
    return NULL;
  }
  r = driver->cuMemsetD8Async(at, 0, block, c->gpu.stream);
  if (r == CUDA_OK) return (DeviceMemory *)(uintptr_t)at;
  gpu_fail(&c->gpu, r, "setting memory to zero", err);
  driver->cuMemFree_v2(at);
  return NULL;
}

/* Also of a device that failed: what is left of it. */
static void cuda_free(Device *d, DeviceMemory *m, size_t bytes) {
  Cuda *c = (Cuda *)d;
  (void)bytes;
  gpu_enter(&c->gpu);
  wait(c); /* work under way may use it */
  c->gpu.driver.cuMemFree_v2(address((DevicePlace){m, 0}));
}

static void cuda_upload(Device *d, DevicePlace to, const void *from, size_t bytes) {
  Cuda *c = (Cuda *)d;
  if (bytes > 0 && enter(c))
    went_well(c, stage_upload(&c->stage, address(to), from, bytes), "an upload");
}

static bool cuda_download(Device *d, void *to, DevicePlace from, size_t bytes, TdError *err) {
  Cuda *c = (Cuda *)d;
  if (enter(c)) waited(c, stage_download(&c->stage, to, address(from), bytes));
  return tell(c, err);
}

static void cuda_zero(Device *d, DeviceMemory *m, size_t bytes) {
  Cuda *c = (Cuda *)d;
  if (bytes > 0 && enter(c))
    went_well(c,
              c->gpu.driver.cuMemsetD8Async(address((DevicePlace){m, 0}), 0, bytes, c->gpu.stream),
              "setting memory to zero");
}

static void cuda_copy(Device *d, DevicePlace to, DevicePlace from, size_t bytes) {
  Cuda *c = (Cuda *)d;
  if (bytes > 0 && enter(c))
    went_well(c,
              c->gpu.driver.cuMemcpyDtoDAsync_v2(address(to), address(from), bytes, c->gpu.stream),
              "a copy");
}

static bool cuda_sync(Device *d, TdError *err) {
  Cuda *c = (Cuda *)d;
  if (enter(c)) wait(c);
  return tell(c, err);
}

/* ---- entries ----------------------------------------------------------------------------- */

static void unbind(const Cuda *c, Bound *b) {
  for (int i = 0; i < 2; i++)
    if (b->replay[i].graph != NULL) c->gpu.driver.cuGraphExecDestroy(b->replay[i].graph);
  free(b->args);
  free(b->first_arg);
  free(b->plan);
  free(b->match);
  *b = (Bound){0};
}

/* How often an entry's launches are started in a run, roughly when loops lie in others. */
static int64_t count_launches(const TdEntry *e) {
  int64_t times = 1, sum = 0, outer[TD_MAX_LOOPS + 1];
  int depth = 0;
  for (int i = 0; i < e->nsteps; i++) {
    const TdStep *step = &e->steps[i];
    if (step->kind == TD_LOOP) {
      outer[depth++] = times;
      if (__builtin_mul_overflow(times, step->count, &times)) times = INT64_MAX;
    } else if (step->kind == TD_END) {
      times = outer[--depth];
    } else if (__builtin_add_overflow(sum, times, &sum)) {
      return INT64_MAX;
    }
  }
  return sum;
}

static bool fill_bound(Cuda *c, const TdEntry *e, Bound *b, const DevicePlace *buffers,
                       TdError *err) {
  int at = 0;
  for (int i = 0; i < e->nsteps; i++) {
    const TdStep *step = &e->steps[i];
    b->first_arg[i] = at;
    b->plan[i] = -1;
    if (step->kind != TD_LAUNCH) continue;
    const TdKernel *k = &c->program->kernels[step->kernel];
    for (int a = 0; a < step->nargs; a++) {
      CudaAddress where = address(buffers[step->args[a]]);
      if (e->buffers[step->args[a]].kind == TD_TEMP && e->alignment > 1 &&
          (where - e->buffers[step->args[a]].offset) % e->alignment != 0)
        return td_fail(err, TD_NO_TOOL, "%s: the arena is not aligned to %zu bytes", e->name,
                       e->alignment);
      b->args[at++] = where;
    }
    b->control = b->control || k->control;
    if (k->kind != TD_PRODUCT) continue;
    b->plan[i] = products_plan(c->products, step->kernel, b->args + b->first_arg[i], err);
    if (b->plan[i] < 0) return false;
  }
  bool large = count_launches(e) > GRAPH_MOST;
  b->replay[0].plain = b->replay[1].plain = large;
  return true;
}

static bool bind_entry(Cuda *c, int entry, const DevicePlace *buffers, TdError *err) {
  const TdEntry *e = &c->program->entries[entry];
  Bound *b = &c->bound[entry];
  size_t args = 0;
  for (int i = 0; i < e->nsteps; i++)
    if (e->steps[i].kind == TD_LAUNCH) args += (size_t)e->steps[i].nargs;
  b->args = calloc(args + 1, sizeof *b->args);
  b->first_arg = calloc((size_t)e->nsteps + 1, sizeof *b->first_arg);
  b->plan = calloc((size_t)e->nsteps + 1, sizeof *b->plan);
  b->match = steps_match(e);
  bool ok = (b->args != NULL && b->first_arg != NULL && b->plan != NULL && b->match != NULL) ||
            td_fail_memory(err);
  if (ok && fill_bound(c, e, b, buffers, err)) return true;
  unbind(c, b);
  return false;
}

static bool cuda_prepare(Device *d, const DeviceLayout *at, const int *entries, int n,
                         TdError *err) {
  Cuda *c = (Cuda *)d;
  if (!enter(c)) return tell(c, err);
  for (int i = 0; i < n; i++)
    if (c->bound[entries[i]].match == NULL &&
        !bind_entry(c, entries[i], at->buffers[entries[i]], err))
      return false;
  return cuda_kernels_need(c->kernels, entries, n, err);
}

/* ---- running ------------------------------------------------------------------------------- */

/* Parameters are eight bytes each: addresses, loop counters by slot, the control's address. */
static CudaResult launch_kernel(Cuda *c, const TdStep *step, const CudaAddress *args,
                                const int64_t *ix) {
  const TdKernel *k = &c->program->kernels[step->kernel];
  size_t n = 0;
  for (int i = 0; i < step->nargs; i++) c->parameters[n++] = args[i];
  for (int slot = 0; slot < TD_MAX_LOOPS; slot++)
    if (k->counters >> slot & 1) c->parameters[n++] = (uint64_t)ix[slot];
  if (k->control) c->parameters[n++] = c->control;
  size_t bytes = n * sizeof *c->parameters;
  void *extra[] = {(void *)CUDA_PARAMETERS, c->parameters, (void *)CUDA_PARAMETERS_SIZE, &bytes,
                   (void *)CUDA_PARAMETERS_END};
  const int64_t *grid = k->launch.gpu.grid;
  if (grid[0] == 0) return CUDA_OK; /* nothing to do */
  const int *block = k->launch.gpu.block;
  return c->gpu.driver.cuLaunchKernel(cuda_kernels_function(c->kernels, step->kernel),
                                      (unsigned)grid[0], (unsigned)grid[1], (unsigned)grid[2],
                                      (unsigned)block[0], (unsigned)block[1], (unsigned)block[2],
                                      (unsigned)k->launch.gpu.shared, c->gpu.stream, NULL, extra);
}

static bool launch(Cuda *c, const TdEntry *e, const Bound *b, int i, const int64_t *ix) {
  const TdStep *step = &e->steps[i];
  const CudaAddress *args = b->args + b->first_arg[i];
  const TdKernel *k = &c->program->kernels[step->kernel];
  if (b->plan[i] < 0) {
    CudaResult r = launch_kernel(c, step, args, ix);
    char doing[256];
    if (r == CUDA_OK) return true;
    snprintf(doing, sizeof doing, "starting %.100s (%.100s)", k->name,
             k->where != NULL ? k->where : "?");
    return went_well(c, r, doing);
  }
  BlasStatus r = products_run(c->products, b->plan[i], args, ix);
  if (r == BLAS_OK) return true;
  if (c->failed.status == TD_OK)
    td_fail(&c->failed, TD_NO_TOOL, "%s: starting the product %s (%s): status %d of cuBLASLt",
            c->gpu.name, k->name, k->where != NULL ? k->where : "?", r);
  return false;
}

static bool launch_all(Cuda *c, const DeviceRun *r) {
  const TdEntry *e = &c->program->entries[r->entry];
  const Bound *b = &c->bound[r->entry];
  StepWalk walk = steps_begin(e, b->match, r->again);
  for (int i; (i = steps_next(&walk)) >= 0;)
    if (!launch(c, e, b, i, walk.ix)) return false;
  return true;
}

/* Before and after each launch somebody looks, or a mark is set. */
static bool launch_watched(Cuda *c, const DeviceRun *r, Timer *timer) {
  const TdEntry *e = &c->program->entries[r->entry];
  const Bound *b = &c->bound[r->entry];
  const DeviceWatch *watch = r->watch;
  StepWalk walk = steps_begin(e, b->match, r->again);
  if (!wait(c)) return false;
  if (watch->time != NULL && !went_well(c, timer_mark(timer), "taking the time")) return false;
  for (int i; (i = steps_next(&walk)) >= 0;) {
    if (watch->launch != NULL) watch->launch(watch->ctx, i, true);
    bool ok = c->failed.status == TD_OK && launch(c, e, b, i, walk.ix);
    if (ok && watch->time != NULL) ok = went_well(c, timer_mark(timer), "taking the time");
    if (ok && watch->launch != NULL) ok = wait(c);
    if (watch->launch != NULL) watch->launch(watch->ctx, i, false);
    if (!ok) return false;
  }
  return wait(c);
}

/* What the marks say: one before the first launch, one behind each. */
static void tell_times(Cuda *c, const DeviceRun *r, const Timer *timer) {
  const Bound *b = &c->bound[r->entry];
  StepWalk walk = steps_begin(&c->program->entries[r->entry], b->match, r->again);
  double begin = 0, end;
  for (int i, mark = 1; (i = steps_next(&walk)) >= 0; mark++) {
    if (!went_well(c, timer_read(timer, mark, &end), "taking the time")) return;
    r->watch->time(r->watch->ctx, i, begin, end);
    begin = end;
  }
}

static void run_watched(Cuda *c, const DeviceRun *r) {
  Timer timer = {.driver = &c->gpu.driver, .stream = c->gpu.stream};
  if (launch_watched(c, r, &timer) && r->watch->time != NULL) tell_times(c, r, &timer);
  timer_close(&timer);
}

/* The run's launches as a graph; NULL where that does not work, and nothing was started. */
static CudaGraphExec capture(Cuda *c, const DeviceRun *r) {
  const CudaDriver *d = &c->gpu.driver;
  CudaGraph graph = NULL;
  CudaGraphExec exec = NULL;
  if (d->cuStreamBeginCapture_v2(c->gpu.stream, CUDA_CAPTURE_THREAD) != CUDA_OK) return NULL;
  bool ok = launch_all(c, r);
  if (d->cuStreamEndCapture(c->gpu.stream, &graph) != CUDA_OK) graph = NULL;
  if (!ok) c->failed = (TdError){0}; /* a launch that cannot be captured says so when it starts */
  if (ok && graph != NULL && d->cuGraphInstantiateWithFlags(&exec, graph, 0) != CUDA_OK)
    exec = NULL;
  if (graph != NULL) d->cuGraphDestroy(graph);
  return exec;
}

static void cuda_run(Device *d, const DeviceRun *r) {
  Cuda *c = (Cuda *)d;
  Bound *b = &c->bound[r->entry];
  const char *name = c->program->entries[r->entry].name;
  TdControl control = {.seed = r->seed, .step = r->step};
  if (b->match == NULL || !cuda_kernels_has(c->kernels, r->entry))
    bug("%s: its kernels were never compiled", name);
  if (!enter(c)) return;
  c->running = name;
  if (b->control &&
      !went_well(c, stage_upload(&c->stage, c->control, &control, sizeof control), "an upload"))
    return;
  if (r->watch != NULL) {
    run_watched(c, r);
    return;
  }
  Replay *replay = &b->replay[r->again];
  if (replay->ran && replay->graph == NULL && !replay->plain) {
    replay->graph = capture(c, r);
    replay->plain = replay->graph == NULL;
  }
  replay->ran = true;
  if (replay->graph != NULL)
    went_well(c, c->gpu.driver.cuGraphLaunch(replay->graph, c->gpu.stream), "starting a graph");
  else
    launch_all(c, r);
}

/* ---- the device ------------------------------------------------------------------------------ */

static void cuda_close(Device *d) {
  Cuda *c = (Cuda *)d;
  bool opened = c->gpu.context != NULL;
  if (opened) gpu_enter(&c->gpu);
  if (opened && c->gpu.stream != NULL) wait(c);
  for (int e = 0; c->bound != NULL && e < c->program->nentries; e++) unbind(c, &c->bound[e]);
  cuda_kernels_free(c->kernels);
  products_free(c->products);
  stage_close(&c->stage);
  if (c->control != 0) c->gpu.driver.cuMemFree_v2(c->control);
  gpu_close(&c->gpu);
  free(c->bound);
  free(c->parameters);
  free(c);
}

static const DeviceInterface cuda_does = {
    .name = "cuda",
    .behind = true,
    .alloc = cuda_alloc,
    .free = cuda_free,
    .upload = cuda_upload,
    .download = cuda_download,
    .zero = cuda_zero,
    .copy = cuda_copy,
    .prepare = cuda_prepare,
    .run = cuda_run,
    .sync = cuda_sync,
    .close = cuda_close,
};

/* Is it a program for a GPU, and does the driver take its numbers? */
static bool is_for_gpu(const TdProgram *p, TdError *err) {
  for (int i = 0; i < p->nkernels; i++) {
    const TdKernel *k = &p->kernels[i];
    if (k->kind == TD_PRODUCT) continue;
    const int64_t *grid = k->launch.gpu.grid;
    const int *block = k->launch.gpu.block;
    for (int axis = 0; axis < 3; axis++) {
      int64_t most = axis == 0 ? INT32_MAX : UINT16_MAX;
      if (grid[axis] < (axis > 0) || grid[axis] > most || block[axis] < 1 || block[axis] > 1024)
        return td_fail(err, TD_NO_TOOL, "%s (%s) cannot be started on a GPU: %lld blocks of %d",
                       k->name, k->where != NULL ? k->where : "?", (long long)grid[axis],
                       block[axis]);
    }
  }
  return true;
}

static bool cuda_fits(const Cuda *c, TdError *err) {
  size_t need, left = 0, all = 0;
  if (!td_program_memory(c->program, 0, &need))
    return td_fail(err, TD_BAD_FILE, "the program needs more memory than can be counted");
  if (c->gpu.driver.cuMemGetInfo_v2(&left, &all) != CUDA_OK || need <= left) return true;
  return td_fail(err, TD_IO_FAILED,
                 "the program needs %.1f GB of memory, %s has %.1f GB of %.1f GB free; a smaller "
                 "batch?",
                 (double)need / 1e9, c->gpu.name, (double)left / 1e9, (double)c->gpu.memory / 1e9);
}

static bool has_products(const TdProgram *p) {
  for (int k = 0; k < p->nkernels; k++)
    if (p->kernels[k].kind == TD_PRODUCT) return true;
  return false;
}

/* The most parameters that a launch has. */
static size_t most_parameters(const TdProgram *p) {
  int most = 0;
  for (int e = 0; e < p->nentries; e++)
    for (int i = 0; i < p->entries[e].nsteps; i++)
      if (p->entries[e].steps[i].nargs > most) most = p->entries[e].steps[i].nargs;
  return (size_t)most + TD_MAX_LOOPS + 1;
}

static bool cuda_open(Cuda *c, const JitOptions *o, TdError *err) {
  const TdProgram *p = c->program;
  if (!is_for_gpu(p, err) || !gpu_open(&c->gpu, err) || !cuda_fits(c, err) ||
      !cuda_nvrtc_open(&c->nvrtc, &c->gpu.driver, err))
    return false;
  c->compiler = (CubinCompiler){.nvrtc = &c->nvrtc, .options = *o};
  cubin_architecture(c->compiler.architecture, c->gpu.major, c->gpu.minor);
  c->bound = calloc((size_t)p->nentries + 1, sizeof *c->bound);
  c->parameters = calloc(most_parameters(p), sizeof *c->parameters);
  if (c->bound == NULL || c->parameters == NULL) return td_fail_memory(err);
  c->kernels = cuda_kernels_new(p, &c->gpu.driver, &c->compiler, c->gpu.shared_most, err);
  if (c->kernels == NULL) return false;
  if (has_products(p) &&
      (c->products = products_new(p, &c->gpu.driver, c->gpu.stream, err)) == NULL)
    return false;
  CudaResult r = c->gpu.driver.cuMemAlloc_v2(&c->control, sizeof(TdControl));
  if (r != CUDA_OK) c->control = 0;
  if (r == CUDA_OK) r = stage_open(&c->stage, &c->gpu.driver, c->gpu.stream);
  return r == CUDA_OK || gpu_fail(&c->gpu, r, "its memory", err);
}

Device *cuda_device(const TdProgram *p, const JitOptions *o, CudaInfo *info, TdError *err) {
  Cuda *c = calloc(1, sizeof *c);
  if (c == NULL) {
    td_fail_memory(err);
    return NULL;
  }
  c->device.does = &cuda_does;
  c->program = p;
  if (!cuda_open(c, o, err)) {
    cuda_close(&c->device);
    return NULL;
  }
  *info = (CudaInfo){.stats = cuda_kernels_stats(c->kernels)};
  snprintf(info->gpu, sizeof info->gpu, "%s", c->gpu.name);
  snprintf(info->compiler, sizeof info->compiler, "NVRTC %d.%d for %s", c->nvrtc.major,
           c->nvrtc.minor, c->compiler.architecture);
  return &c->device;
}
