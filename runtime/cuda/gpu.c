/* SPDX-License-Identifier: MIT */
/* Opening a GPU. See gpu.h. */
#include "runtime/cuda/gpu.h"

#include <stdio.h>

bool gpu_fail(const Gpu *g, CudaResult r, const char *doing, TdError *err) {
  char why[256];
  cuda_result_text(&g->driver, r, why, sizeof why);
  return td_fail(err, r == CUDA_NO_MEMORY ? TD_IO_FAILED : TD_NO_TOOL, "%s: %s: %s",
                 g->name[0] != '\0' ? g->name : "the GPU", doing, why);
}

bool gpu_look(Gpu *g, TdError *err) {
  const CudaDriver *d = &g->driver;
  int count = 0, shared = 0, cache = 0;
  *g = (Gpu){0};
  if (!cuda_driver_open(&g->driver, err)) return false;
  CudaResult r = d->cuDeviceGetCount(&count);
  if (r == CUDA_OK && count < 1)
    return td_fail(err, TD_NO_TOOL, "the NVIDIA driver (%s) sees no GPU", d->file.path);
  if (r == CUDA_OK) r = d->cuDeviceGet(&g->device, 0);
  if (r == CUDA_OK) r = d->cuDeviceGetName(g->name, (int)sizeof g->name, g->device);
  if (r == CUDA_OK) r = d->cuDeviceGetAttribute(&g->major, CUDA_MAJOR, g->device);
  if (r == CUDA_OK) r = d->cuDeviceGetAttribute(&g->minor, CUDA_MINOR, g->device);
  if (r == CUDA_OK) r = d->cuDeviceGetAttribute(&g->processors, CUDA_PROCESSORS, g->device);
  if (r == CUDA_OK) r = d->cuDeviceGetAttribute(&shared, CUDA_SHARED_MOST, g->device);
  if (r == CUDA_OK) r = d->cuDeviceGetAttribute(&cache, CUDA_CACHE, g->device);
  if (r == CUDA_OK) r = d->cuDeviceTotalMem_v2(&g->memory, g->device);
  g->shared_most = shared > 0 ? (size_t)shared : 0;
  g->cache = cache > 0 ? (size_t)cache : 0;
  return r == CUDA_OK || gpu_fail(g, r, "it does not tell what it is", err);
}

CudaResult gpu_enter(const Gpu *g) { return g->driver.cuCtxSetCurrent(g->context); }

bool gpu_open(Gpu *g, TdError *err) {
  if (!gpu_look(g, err)) return false;
  CudaResult r = g->driver.cuDevicePrimaryCtxRetain(&g->context, g->device);
  if (r != CUDA_OK) g->context = NULL;
  if (r == CUDA_OK) r = gpu_enter(g);
  if (r == CUDA_OK) r = g->driver.cuStreamCreate(&g->stream, CUDA_NON_BLOCKING);
  if (r == CUDA_OK) return true;
  g->stream = NULL;
  return gpu_fail(g, r, "it cannot be opened", err);
}

void gpu_close(Gpu *g) {
  if (g->stream != NULL) g->driver.cuStreamDestroy_v2(g->stream);
  if (g->context != NULL) g->driver.cuDevicePrimaryCtxRelease_v2(g->device);
  g->stream = NULL;
  g->context = NULL;
}
