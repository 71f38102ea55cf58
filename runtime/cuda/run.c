/* SPDX-License-Identifier: MIT */
/* Running entries on a GPU.
 *
 * Seed and step lie in the GPU's memory, where each run puts its own before it starts. So the
 * launches of a run are the same every time, and from its second run on an entry is one graph
 * of the driver's, which starts without the host's work for each launch. Loop counters are
 * parameters of launches, fixed in the graph.
 *
 * So are the launches of a series the same as those of another with as many runs in the same
 * slots. All of them are one graph: in it each run has its own control block, and its own
 * addresses of the buffers that have slots, so that nothing has to be copied between runs. */
#include <stdlib.h>
#include <string.h>

#include "dsl/base.h"
#include "runtime/cuda/device_internal.h"
#include "runtime/cuda/timer.h"
#include "runtime/steps.h"

/* More launches than this are no graph: each takes memory of the host's and the GPU's. */
enum { GRAPH_MOST = 1 << 16 };

/* ---- entries ----------------------------------------------------------------------------- */

void cuda_unbind(const Cuda *c, Bound *b) {
  for (int i = 0; i < b->nreplays; i++)
    if (b->replays[i].graph != NULL) c->gpu.driver.cuGraphExecDestroy(b->replays[i].graph);
  free(b->args);
  free(b->moved);
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

/* Bytes from the buffer's beginning to what the kernel is given. */
static size_t begin_of(const TdStep *step, int k) {
  return step->begins != NULL ? step->begins[k] : 0;
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
      CudaAddress where = cuda_address(buffers[step->args[a]]);
      if (e->buffers[step->args[a]].kind == TD_TEMP && e->alignment > 1 &&
          (where - e->buffers[step->args[a]].offset) % e->alignment != 0)
        return td_fail(err, TD_NO_TOOL, "%s: the arena is not aligned to %zu bytes", e->name,
                       e->alignment);
      b->args[at++] = where + begin_of(step, a);
    }
    b->control = b->control || k->control;
    if (k->kind != TD_PRODUCT) continue;
    b->plan[i] = products_plan(c->products, step->kernel, b->args + b->first_arg[i], err);
    if (b->plan[i] < 0) return false;
  }
  b->launches = count_launches(e);
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
  b->moved = calloc((size_t)e->nbuffers + 1, sizeof *b->moved);
  b->match = steps_match(e);
  bool ok = (b->args != NULL && b->first_arg != NULL && b->plan != NULL && b->moved != NULL &&
             b->match != NULL) ||
            td_fail_memory(err);
  if (ok && fill_bound(c, e, b, buffers, err)) return true;
  cuda_unbind(c, b);
  return false;
}

bool cuda_prepare(Device *d, const DeviceLayout *at, const int *entries, int n, TdError *err) {
  Cuda *c = (Cuda *)d;
  c->at = *at;
  if (!cuda_enter(c)) return cuda_tell(c, err);
  for (int i = 0; i < n; i++)
    if (c->bound[entries[i]].match == NULL &&
        !bind_entry(c, entries[i], at->buffers[entries[i]], err))
      return false;
  return cuda_kernels_need(c->kernels, entries, n, err);
}

/* ---- running ------------------------------------------------------------------------------- */

/* One of an entry's runs. */
typedef struct Turn {
  const TdEntry *entry;
  const Bound *bound;
  TdOnce holds;
  bool moved;          /* buffers are where Bound.moved says */
  CudaAddress control; /* of its TdControl */
} Turn;

/* Parameters are eight bytes each: addresses, loop counters by slot, the control's address. */
static CudaResult launch_kernel(Cuda *c, const TdStep *step, const CudaAddress *args,
                                CudaAddress control, const int64_t *ix) {
  const TdKernel *k = &c->program->kernels[step->kernel];
  size_t n = 0;
  for (int i = 0; i < step->nargs; i++) c->parameters[n++] = args[i];
  for (int slot = 0; slot < TD_MAX_LOOPS; slot++)
    if (k->counters >> slot & 1) c->parameters[n++] = (uint64_t)ix[slot];
  if (k->control) c->parameters[n++] = control;
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

/* Where step i of the run has its buffers. */
static const CudaAddress *args_of(const Cuda *c, const Turn *t, int i) {
  const TdStep *step = &t->entry->steps[i];
  const CudaAddress *args = t->bound->args + t->bound->first_arg[i];
  if (!t->moved) return args;
  for (int k = 0; k < step->nargs; k++) {
    CudaAddress there = t->bound->moved[step->args[k]];
    c->args[k] = there != 0 ? there + begin_of(step, k) : args[k];
  }
  return c->args;
}

static bool launch(Cuda *c, const Turn *t, int i, const int64_t *ix) {
  const TdStep *step = &t->entry->steps[i];
  const CudaAddress *args = args_of(c, t, i);
  const TdKernel *k = &c->program->kernels[step->kernel];
  int plan = t->bound->plan[i];
  if (plan < 0) {
    CudaResult r = launch_kernel(c, step, args, t->control, ix);
    char doing[256];
    if (r == CUDA_OK) return true;
    int length;
    const char *line = td_step_line(step, &length);
    snprintf(doing, sizeof doing, "starting %.100s (%.*s)", k->name, length < 100 ? length : 100,
             line);
    return cuda_went_well(c, r, doing);
  }
  BlasStatus r = products_run(c->products, plan, args, ix);
  if (r == BLAS_OK) return true;
  if (c->failed.status == TD_OK)
    td_fail(&c->failed, TD_NO_TOOL, "%s: starting the product %s (%s): status %d of cuBLASLt",
            c->gpu.name, k->name, k->where != NULL ? k->where : "?", r);
  return false;
}

static bool launch_all(Cuda *c, const Turn *t) {
  StepWalk walk = steps_begin(t->entry, t->bound->match, t->holds);
  for (int i; (i = steps_next(&walk)) >= 0;)
    if (!launch(c, t, i, walk.ix)) return false;
  return true;
}

static Turn turn_of(const Cuda *c, const DeviceRun *r) {
  return (Turn){.entry = &c->program->entries[r->entry],
                .bound = &c->bound[r->entry],
                .holds = r->holds,
                .control = c->control};
}

/* Before and after each launch somebody looks, or a mark is set. */
static bool launch_watched(Cuda *c, const DeviceRun *r, Timer *timer) {
  Turn t = turn_of(c, r);
  const DeviceWatch *watch = r->watch;
  StepWalk walk = steps_begin(t.entry, t.bound->match, r->holds);
  if (!cuda_wait(c)) return false;
  if (watch->time != NULL && !cuda_went_well(c, timer_mark(timer), "taking the time")) return false;
  for (int i; (i = steps_next(&walk)) >= 0;) {
    if (watch->launch != NULL) watch->launch(watch->ctx, i, true);
    bool ok = c->failed.status == TD_OK && launch(c, &t, i, walk.ix);
    if (ok && watch->time != NULL) ok = cuda_went_well(c, timer_mark(timer), "taking the time");
    if (ok && watch->launch != NULL) ok = cuda_wait(c);
    if (watch->launch != NULL) watch->launch(watch->ctx, i, false);
    if (!ok) return false;
  }
  return cuda_wait(c);
}

/* What the marks say: one before the first launch, one behind each. */
static void tell_times(Cuda *c, const DeviceRun *r, const Timer *timer) {
  const Bound *b = &c->bound[r->entry];
  StepWalk walk = steps_begin(&c->program->entries[r->entry], b->match, r->holds);
  double begin = 0, end;
  for (int i, mark = 1; (i = steps_next(&walk)) >= 0; mark++) {
    if (!cuda_went_well(c, timer_read(timer, mark, &end), "taking the time")) return;
    r->watch->time(r->watch->ctx, i, begin, end);
    begin = end;
  }
}

static void run_watched(Cuda *c, const DeviceRun *r) {
  Timer timer = {.driver = &c->gpu.driver, .stream = c->gpu.stream};
  if (launch_watched(c, r, &timer) && r->watch->time != NULL) tell_times(c, r, &timer);
  timer_close(&timer);
}

/* ---- graphs ---------------------------------------------------------------------------------- */

/* How these runs of the entry are started; `first_time` where they never were. NULL: there is no
 * room to note it. */
static Replay *replay_of(Bound *b, Replay key, bool *first_time) {
  for (int i = 0; i < b->nreplays; i++) {
    Replay *r = &b->replays[i];
    *first_time = false;
    if (r->first == key.first && r->n == key.n && r->holds == key.holds &&
        r->then_holds == key.then_holds)
      return r;
  }
  *first_time = true;
  if (b->nreplays == MOST_REPLAYS) return NULL;
  key.plain = b->launches > GRAPH_MOST / (key.n > 0 ? key.n : 1);
  b->replays[b->nreplays] = key;
  return &b->replays[b->nreplays++];
}

static bool begin_capture(Cuda *c) {
  return c->gpu.driver.cuStreamBeginCapture_v2(c->gpu.stream, CUDA_CAPTURE_THREAD) == CUDA_OK;
}

/* What was started since as a graph; NULL where that does not work, and nothing was started. */
static CudaGraphExec end_capture(Cuda *c, bool ok) {
  const CudaDriver *d = &c->gpu.driver;
  CudaGraph graph = NULL;
  CudaGraphExec exec = NULL;
  if (d->cuStreamEndCapture(c->gpu.stream, &graph) != CUDA_OK) graph = NULL;
  if (!ok) c->failed = (TdError){0}; /* a launch that cannot be captured says so when it starts */
  if (ok && graph != NULL && d->cuGraphInstantiateWithFlags(&exec, graph, 0) != CUDA_OK)
    exec = NULL;
  if (graph != NULL) d->cuGraphDestroy(graph);
  return exec;
}

static void start_graph(Cuda *c, const Replay *r) {
  cuda_went_well(c, c->gpu.driver.cuGraphLaunch(r->graph, c->gpu.stream), "starting a graph");
}

/* The entry is ready, and something may be started. */
static bool may_run(Cuda *c, int entry) {
  const char *name = c->program->entries[entry].name;
  if (c->bound[entry].match == NULL || !cuda_kernels_has(c->kernels, entry))
    bug("%s: its kernels were never compiled", name);
  if (!cuda_enter(c)) return false;
  c->running = name;
  return true;
}

static bool upload_control(Cuda *c, int first, int n, uint64_t seed, int64_t step) {
  TdControl all[MOST_RUNS];
  for (int i = 0; i < n; i++) all[i] = (TdControl){.seed = seed, .step = step + i};
  return cuda_went_well(c,
                        stage_upload(&c->stage, c->control + (size_t)first * sizeof *all, all,
                                     (size_t)n * sizeof *all),
                        "an upload");
}

void cuda_run(Device *d, const DeviceRun *r) {
  Cuda *c = (Cuda *)d;
  Bound *b = &c->bound[r->entry];
  Turn t = turn_of(c, r);
  bool first_time;
  if (!may_run(c, r->entry)) return;
  if (b->control && !upload_control(c, 0, 1, r->seed, r->step)) return;
  if (r->watch != NULL) {
    run_watched(c, r);
    return;
  }
  Replay *replay = replay_of(b, (Replay){.holds = r->holds}, &first_time);
  if (replay != NULL && !first_time && replay->graph == NULL && !replay->plain) {
    bool began = begin_capture(c);
    replay->graph = began ? end_capture(c, launch_all(c, &t)) : NULL;
    replay->plain = replay->graph == NULL;
  }
  if (replay != NULL && replay->graph != NULL)
    start_graph(c, replay);
  else
    launch_all(c, &t);
}

/* ---- series -------------------------------------------------------------------------------- */

static CudaAddress slot_of(const DeviceSlots *s, int i) {
  return cuda_address(s->at) + (CudaAddress)i * s->stride;
}

/* Kernels read and write slots as if these were the buffers. One number is written whole, and no
 * other buffer shares its room. */
static void move_buffers(Bound *b, const TdEntry *e, const DeviceSeries *s, int slot) {
  memset(b->moved, 0, (size_t)e->nbuffers * sizeof *b->moved);
  for (int k = 0; k < s->ninputs; k++) b->moved[s->inputs[k].buffer] = slot_of(&s->inputs[k], slot);
  for (int k = 0; k < s->noutputs; k++) {
    const DeviceSlots *o = &s->outputs[k];
    const TdBuffer *buffer = &e->buffers[o->buffer];
    CudaAddress there = slot_of(o, slot);
    if (buffer->kind == TD_TEMP && buffer->count == 1 && b->moved[o->buffer] == 0 &&
        there % (e->alignment > 0 ? e->alignment : 1) == 0)
      b->moved[o->buffer] = there;
  }
}

/* Outputs that lie elsewhere than in their slots. */
static bool copy_outputs(Cuda *c, const Bound *b, const DeviceSeries *s, int slot) {
  for (int k = 0; k < s->noutputs; k++) {
    const DeviceSlots *o = &s->outputs[k];
    CudaAddress to = slot_of(o, slot), from = b->moved[o->buffer];
    if (from == 0) from = cuda_address(c->at.buffers[s->entry][o->buffer]);
    if (from == to || o->bytes == 0) continue;
    if (!cuda_went_well(c, c->gpu.driver.cuMemcpyDtoDAsync_v2(to, from, o->bytes, c->gpu.stream),
                        "a copy"))
      return false;
  }
  return true;
}

static bool launch_series(Cuda *c, const DeviceSeries *s) {
  const TdEntry *e = &c->program->entries[s->entry];
  Bound *b = &c->bound[s->entry];
  for (int i = s->first; i < s->first + s->n; i++) {
    Turn t = {.entry = e,
              .bound = b,
              .holds = i > s->first ? s->then_holds : s->holds,
              .moved = true,
              .control = c->control + (size_t)i * sizeof(TdControl)};
    move_buffers(b, e, s, i);
    if (!launch_all(c, &t) || !copy_outputs(c, b, s, i)) return false;
  }
  return true;
}

void cuda_run_series(Device *d, const DeviceSeries *s) {
  Cuda *c = (Cuda *)d;
  Bound *b = &c->bound[s->entry];
  Replay key = {.first = s->first,
                .n = s->n,
                .holds = s->holds,
                .then_holds = s->n > 1 ? s->then_holds : TD_ANEW};
  Replay *replay = NULL;
  bool first_time;
  if (!may_run(c, s->entry)) return;
  if (s->first + s->n <= MOST_RUNS) replay = replay_of(b, key, &first_time);
  if (replay == NULL || first_time || replay->plain) {
    device_run_each(d, &c->at, s);
    return;
  }
  if (replay->graph == NULL) {
    bool began = begin_capture(c);
    replay->graph = began ? end_capture(c, launch_series(c, s)) : NULL;
    replay->plain = replay->graph == NULL;
  }
  if (replay->plain)
    device_run_each(d, &c->at, s);
  else if (!b->control || upload_control(c, s->first, s->n, s->seed, s->step))
    start_graph(c, replay);
}
