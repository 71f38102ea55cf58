/* SPDX-License-Identifier: MIT */
/* Running entries on the CPU. */
#include "runtime/cpu/device.h"

#include <stdlib.h>

#include "dsl/base.h"
#include "runtime/cpu/block.h"
#include "runtime/cpu/memory.h"
#include "runtime/steps.h"

/* An entry with its arguments. */
typedef struct Bound {
  char **args;    /* addresses, of all launches, one after another */
  int *first_arg; /* by step */
  int *match;     /* of steps_match; NULL: not bound yet */
} Bound;

typedef struct Cpu {
  Device device;
  const TdProgram *program;
  Jit *jit;
  Pool *pool;
  DeviceLayout at;
  Bound *bound;      /* by entry */
  char **scratch;    /* by worker */
  uint64_t launches; /* so far: each has its number */
} Cpu;

/* ---- entries ------------------------------------------------------------------- */

static void unbind(Bound *b) {
  free(b->args);
  free(b->first_arg);
  free(b->match);
  *b = (Bound){0};
}

static bool bind_entry(Cpu *c, int entry, const DevicePlace *buffers, TdError *err) {
  const TdEntry *e = &c->program->entries[entry];
  Bound *b = &c->bound[entry];
  size_t args = 0;
  for (int i = 0; i < e->nsteps; i++)
    if (e->steps[i].kind == TD_LAUNCH) args += (size_t)e->steps[i].nargs;
  b->args = calloc(args + 1, sizeof *b->args);
  b->first_arg = calloc((size_t)e->nsteps + 1, sizeof *b->first_arg);
  b->match = steps_match(e);
  if (b->args == NULL || b->first_arg == NULL || b->match == NULL) {
    unbind(b);
    return td_fail_memory(err);
  }
  int at = 0;
  for (int i = 0; i < e->nsteps; i++) {
    const TdStep *step = &e->steps[i];
    b->first_arg[i] = at;
    for (int k = 0; step->kind == TD_LAUNCH && k < step->nargs; k++)
      b->args[at++] =
          host_address(buffers[step->args[k]]) + (step->begins != NULL ? step->begins[k] : 0);
  }
  return true;
}

static bool cpu_prepare(Device *d, const DeviceLayout *at, const int *entries, int n,
                        TdError *err) {
  Cpu *c = (Cpu *)d;
  c->at = *at;
  for (int i = 0; i < n; i++)
    if (c->bound[entries[i]].match == NULL &&
        !bind_entry(c, entries[i], at->buffers[entries[i]], err))
      return false;
  return jit_need(c->jit, entries, n, err);
}

/* ---- running --------------------------------------------------------------------- */

typedef struct Launch {
  KernelFunction *function;
  TdCall call;
  char **scratch;
} Launch;

static void launch_pieces(void *ctx, int worker, int64_t begin, int64_t end) {
  const Launch *l = ctx;
  TdCall call = l->call;
  call.scratch = l->scratch[worker];
  l->function(&call, begin, end);
}

static void cpu_run(Device *d, const DeviceRun *r) {
  Cpu *c = (Cpu *)d;
  const TdEntry *e = &c->program->entries[r->entry];
  const Bound *b = &c->bound[r->entry];
  static const DeviceWatch nobody;
  const DeviceWatch *watch = r->watch != NULL ? r->watch : &nobody;
  TdControl control = {.seed = r->seed, .step = r->step};
  if (b->match == NULL || !jit_has(c->jit, r->entry))
    bug("%s: its kernels were never compiled", e->name);
  StepWalk walk = steps_begin(e, b->match, r->holds);
  double zero = watch->time != NULL ? clock_seconds() : 0;
  for (int i; (i = steps_next(&walk)) >= 0;) {
    int kernel = e->steps[i].kernel;
    Launch l = {jit_kernel(c->jit, kernel),
                {b->args + b->first_arg[i], walk.ix, NULL, &control, ++c->launches},
                c->scratch};
    if (watch->launch != NULL) watch->launch(watch->ctx, i, true);
    double begin = watch->time != NULL ? clock_seconds() : 0;
    pool_run(c->pool, launch_pieces, &l, c->program->kernels[kernel].launch.cpu.pieces);
    if (watch->time != NULL) watch->time(watch->ctx, i, begin - zero, clock_seconds() - zero);
    if (watch->launch != NULL) watch->launch(watch->ctx, i, false);
  }
}

static void cpu_run_series(Device *d, const DeviceSeries *s) {
  device_run_each(d, &((Cpu *)d)->at, s);
}

/* ---- the device ------------------------------------------------------------------ */

static size_t scratch_bytes(const TdProgram *p) {
  size_t most = 0;
  for (int k = 0; k < p->nkernels; k++)
    if (p->kernels[k].launch.cpu.scratch > most) most = p->kernels[k].launch.cpu.scratch;
  return most;
}

static void cpu_close(Device *d) {
  Cpu *c = (Cpu *)d;
  for (int e = 0; c->bound != NULL && e < c->program->nentries; e++) unbind(&c->bound[e]);
  for (int t = 0; c->scratch != NULL && t < pool_threads(c->pool); t++)
    block_free(c->scratch[t], scratch_bytes(c->program));
  free(c->bound);
  free(c->scratch);
  free(c);
}

static const DeviceInterface cpu_does = {
    .name = "cpu",
    .alloc = host_alloc,
    .free = host_free,
    .upload = host_upload,
    .download = host_download,
    .zero = host_zero,
    .copy = host_copy,
    .prepare = cpu_prepare,
    .run = cpu_run,
    .run_series = cpu_run_series,
    .finite = host_finite,
    .sync = host_sync,
    .close = cpu_close,
};

/* Products of a library are for devices that have one; this one has kernels only. */
static bool only_source(const TdProgram *p, TdError *err) {
  for (int k = 0; k < p->nkernels; k++)
    if (p->kernels[k].kind == TD_PRODUCT)
      return td_fail(err, TD_NO_TOOL, "%s is a product of a library, and the CPU has none",
                     p->kernels[k].name);
  return true;
}

Device *cpu_device(const TdProgram *p, Jit *jit, Pool *pool, TdError *err) {
  if (!only_source(p, err)) return NULL;
  if (!host_fits(p, pool_threads(pool), err)) return NULL;
  Cpu *c = calloc(1, sizeof *c);
  if (c == NULL) {
    td_fail_memory(err);
    return NULL;
  }
  *c = (Cpu){.device = {&cpu_does}, .program = p, .jit = jit, .pool = pool};
  c->bound = calloc((size_t)p->nentries + 1, sizeof *c->bound);
  c->scratch = calloc((size_t)pool_threads(pool) + 1, sizeof *c->scratch);
  bool ok = c->bound != NULL && c->scratch != NULL;
  for (int t = 0; ok && t < pool_threads(pool); t++)
    ok = (c->scratch[t] = block_new(scratch_bytes(p))) != NULL;
  if (ok) return &c->device;
  td_fail_memory(err);
  cpu_close(&c->device);
  return NULL;
}
