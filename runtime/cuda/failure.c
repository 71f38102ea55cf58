/* SPDX-License-Identifier: MIT */
/* A GPU that failed. The first call that did is kept: nothing is started any more, and who asks is
 * told it again. */
#include <stdio.h>

#include "runtime/cuda/device_internal.h"

bool cuda_went_well(Cuda *c, CudaResult r, const char *doing) {
  if (r != CUDA_OK && c->failed.status == TD_OK) gpu_fail(&c->gpu, r, doing, &c->failed);
  return r == CUDA_OK;
}

bool cuda_tell(const Cuda *c, TdError *err) {
  return c->failed.status == TD_OK || td_fail(err, c->failed.status, "%s", c->failed.message);
}

bool cuda_enter(Cuda *c) {
  return c->failed.status == TD_OK && cuda_went_well(c, gpu_enter(&c->gpu), "it is not to be had");
}

bool cuda_waited(Cuda *c, CudaResult r) {
  char doing[128] = "the work so far";
  if (r != CUDA_OK && c->running != NULL)
    snprintf(doing, sizeof doing, "running '%.100s', or before it", c->running);
  return cuda_went_well(c, r, doing);
}

bool cuda_wait(Cuda *c) { return cuda_waited(c, c->gpu.driver.cuStreamSynchronize(c->gpu.stream)); }

CudaAddress cuda_address(DevicePlace p) { return (CudaAddress)(uintptr_t)p.memory + p.offset; }
