/* SPDX-License-Identifier: MIT */
/* A GPU as a device. See device.h; run.c runs entries.
 *
 * Everything is started on one stream and happens there in its order. A call of the driver
 * that fails is kept: nothing is started any more, and download and sync tell it. */
#include "runtime/cuda/device.h"

#include <stdlib.h>
#include <string.h>

#include "dsl/base.h"
#include "runtime/cuda/device_internal.h"

enum { LEAST_BLOCK = 16 };

/* ---- memory ----------------------------------------------------------------------------- */

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
  if (!cuda_enter(c)) {
    cuda_tell(c, err);
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
  cuda_wait(c); /* work under way may use it */
  c->gpu.driver.cuMemFree_v2(cuda_address((DevicePlace){m, 0}));
}

static void cuda_upload(Device *d, DevicePlace to, const void *from, size_t bytes) {
  Cuda *c = (Cuda *)d;
  if (bytes > 0 && cuda_enter(c))
    cuda_went_well(c, stage_upload(&c->stage, cuda_address(to), from, bytes), "an upload");
}

static bool cuda_download(Device *d, void *to, DevicePlace from, size_t bytes, TdError *err) {
  Cuda *c = (Cuda *)d;
  if (cuda_enter(c)) cuda_waited(c, stage_download(&c->stage, to, cuda_address(from), bytes));
  return cuda_tell(c, err);
}

static void cuda_zero(Device *d, DeviceMemory *m, size_t bytes) {
  Cuda *c = (Cuda *)d;
  if (bytes > 0 && cuda_enter(c))
    cuda_went_well(
        c,
        c->gpu.driver.cuMemsetD8Async(cuda_address((DevicePlace){m, 0}), 0, bytes, c->gpu.stream),
        "setting memory to zero");
}

static void cuda_copy(Device *d, DevicePlace to, DevicePlace from, size_t bytes) {
  Cuda *c = (Cuda *)d;
  if (bytes > 0 && cuda_enter(c))
    cuda_went_well(c,
                   c->gpu.driver.cuMemcpyDtoDAsync_v2(cuda_address(to), cuda_address(from), bytes,
                                                      c->gpu.stream),
                   "a copy");
}

static bool cuda_sync(Device *d, TdError *err) {
  Cuda *c = (Cuda *)d;
  if (cuda_enter(c)) cuda_wait(c);
  return cuda_tell(c, err);
}

static bool cuda_finite(Device *d, const DeviceNumbers *all, int n, int *good, TdError *err) {
  Cuda *c = (Cuda *)d;
  int found[PROBE_SLOTS];
  *good = 0;
  if (!cuda_enter(c)) return cuda_tell(c, err);
  if (!probe_ready(&c->probe, &c->compiler, err)) return false;
  while (*good < n) {
    int some = n - *good < PROBE_SLOTS ? n - *good : PROBE_SLOTS;
    CudaResult r = probe_forget(&c->probe);
    for (int i = 0; i < some && r == CUDA_OK; i++) r = probe_finite(&c->probe, &all[*good + i], i);
    if (!cuda_went_well(c, r, "looking at numbers") ||
        !cuda_waited(
            c, stage_download(&c->stage, found, c->probe.found, (size_t)some * sizeof *found)))
      return cuda_tell(c, err);
    for (int i = 0; i < some; i++, (*good)++)
      if (found[i] != 0) return true;
  }
  return true;
}

/* ---- the device ------------------------------------------------------------------------------ */

static void cuda_close(Device *d) {
  Cuda *c = (Cuda *)d;
  bool opened = c->gpu.context != NULL;
  if (opened) gpu_enter(&c->gpu);
  if (opened && c->gpu.stream != NULL) cuda_wait(c);
  for (int e = 0; c->bound != NULL && e < c->program->nentries; e++) cuda_unbind(c, &c->bound[e]);
  cuda_kernels_free(c->kernels);
  products_free(c->products);
  probe_close(&c->probe);
  stage_close(&c->stage);
  if (c->control != 0) c->gpu.driver.cuMemFree_v2(c->control);
  gpu_close(&c->gpu);
  free(c->bound);
  free(c->parameters);
  free(c->args);
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
    .run_series = cuda_run_series,
    .finite = cuda_finite,
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
  c->args = calloc(most_parameters(p), sizeof *c->args);
  if (c->bound == NULL || c->parameters == NULL || c->args == NULL) return td_fail_memory(err);
  c->kernels = cuda_kernels_new(p, &c->gpu.driver, &c->compiler, c->gpu.shared_most, err);
  if (c->kernels == NULL) return false;
  CudaResult r = c->gpu.driver.cuMemAlloc_v2(&c->control, MOST_RUNS * sizeof(TdControl));
  if (r != CUDA_OK) c->control = 0;
  if (r == CUDA_OK) r = probe_open(&c->probe, &c->gpu);
  if (r == CUDA_OK) r = stage_open(&c->stage, &c->gpu.driver, c->gpu.stream);
  if (r != CUDA_OK) return gpu_fail(&c->gpu, r, "its memory", err);
  ProductTools tools = {&c->gpu, &c->compiler, &c->probe, &c->stage};
  return !has_products(p) || (c->products = products_new(p, &tools, err)) != NULL;
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
