/* SPDX-License-Identifier: MIT */
/* The driver's calls about memory: blocks, copies, fills. An address and a size are checked
 * when the call is made; what a copy reads of the host is read when it is carried out,
 * pageable or not, and what it will write is spoilt until then. */
#include <string.h>

#include "tests/cuda_emu/emu.h"

CUresult cuMemGetInfo_v2(size_t *unused, size_t *total) {
  ENTER(CONTEXT);
  if (unused == NULL || total == NULL) return CUDA_ERROR_INVALID_VALUE;
  *total = memory_total();
  *unused = *total - memory_used();
  return CUDA_SUCCESS;
}

CUresult cuMemAlloc_v2(CUdeviceptr *at, size_t bytes) {
  ENTER(CONTEXT);
  if (at == NULL || bytes == 0) return CUDA_ERROR_INVALID_VALUE;
  CUresult r = no_capture();
  return r != CUDA_SUCCESS ? r : memory_alloc(at, bytes);
}

/* Waits for the work that may use it. */
CUresult cuMemFree_v2(CUdeviceptr at) {
  ENTER(CONTEXT);
  CUresult r = no_capture();
  if (r == CUDA_SUCCESS) r = drain_all();
  return r != CUDA_SUCCESS ? r : memory_free(at);
}

CUresult cuMemHostAlloc(void **at, size_t bytes, unsigned flags) {
  ENTER(CONTEXT);
  if (at == NULL || bytes == 0 || flags > 7) return CUDA_ERROR_INVALID_VALUE;
  CUresult r = no_capture();
  if (r != CUDA_SUCCESS) return r;
  *at = pinned_alloc(bytes);
  return *at != NULL ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult cuMemFreeHost(void *at) {
  ENTER(CONTEXT);
  CUresult r = no_capture();
  if (r == CUDA_SUCCESS) r = drain_all();
  if (r != CUDA_SUCCESS) return r;
  if (pinned_free(at)) return CUDA_SUCCESS;
  emu_report("bad handle", "cuMemFreeHost of %p, which is no such block", at);
  return CUDA_ERROR_INVALID_VALUE;
}

static bool device_bytes(const char *call, CUdeviceptr at, size_t bytes) {
  char why[160];
  if (memory_holds(at, bytes, why, sizeof why)) return true;
  emu_report(strstr(why, "freed") != NULL ? "use after free" : "bad address",
             "%s: %zu bytes at %#llx: %s", call, bytes, at, why);
  return false;
}

static bool host_bytes(const char *call, const void *at) {
  if (at != NULL && !memory_is_device((uintptr_t)at)) return true;
  emu_report("bad address", "%s: %p is not the host's", call, at);
  return false;
}

/* A graph is launched again and again: it takes no memory that its owner may unmap. */
static CUresult bears_capture(CUstream s, const void *host, size_t bytes) {
  return s->capture == NULL || pinned_holds(host, bytes) ? CUDA_SUCCESS : no_capture();
}

CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t bytes, CUstream s) {
  ENTER(CONTEXT);
  s = stream_find(s);
  if (s == NULL) return CUDA_ERROR_INVALID_HANDLE;
  if (!device_bytes(__func__, to, bytes) || !host_bytes(__func__, from))
    return CUDA_ERROR_INVALID_VALUE;
  CUresult r = bears_capture(s, from, bytes);
  if (r != CUDA_SUCCESS || bytes == 0) return r;
  return stream_put(s, &(Op){.kind = OP_UP, .to = to, .from = (uintptr_t)from, .bytes = bytes});
}

CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t bytes, CUstream s) {
  ENTER(CONTEXT);
  s = stream_find(s);
  if (s == NULL) return CUDA_ERROR_INVALID_HANDLE;
  if (!device_bytes(__func__, from, bytes) || !host_bytes(__func__, to))
    return CUDA_ERROR_INVALID_VALUE;
  CUresult r = bears_capture(s, to, bytes);
  if (r != CUDA_SUCCESS || bytes == 0) return r;
  if (s->capture == NULL) memset(to, 0xa5, bytes);
  return stream_put(s, &(Op){.kind = OP_DOWN, .to = (uintptr_t)to, .from = from, .bytes = bytes});
}

CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream s) {
  ENTER(CONTEXT);
  s = stream_find(s);
  if (s == NULL) return CUDA_ERROR_INVALID_HANDLE;
  if (!device_bytes(__func__, to, bytes) || !device_bytes(__func__, from, bytes))
    return CUDA_ERROR_INVALID_VALUE;
  if (bytes == 0) return CUDA_SUCCESS;
  if (to < from + bytes && from < to + bytes) {
    emu_report("bad address", "%s: source and target share bytes", __func__);
    return CUDA_ERROR_INVALID_VALUE;
  }
  return stream_put(s, &(Op){.kind = OP_COPY, .to = to, .from = from, .bytes = bytes});
}

static CUresult set(const char *call, CUdeviceptr to, unsigned value, unsigned width, size_t count,
                    CUstream s) {
  s = stream_find(s);
  if (s == NULL) return CUDA_ERROR_INVALID_HANDLE;
  if (count > SIZE_MAX / width || to % width != 0 || !device_bytes(call, to, count * width))
    return CUDA_ERROR_INVALID_VALUE;
  if (count == 0) return CUDA_SUCCESS;
  return stream_put(
      s, &(Op){.kind = OP_SET, .to = to, .value = value, .width = width, .bytes = count * width});
}

CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t bytes, CUstream s) {
  ENTER(CONTEXT);
  return set(__func__, to, value, 1, bytes, s);
}

CUresult cuMemsetD32Async(CUdeviceptr to, unsigned value, size_t count, CUstream s) {
  ENTER(CONTEXT);
  return set(__func__, to, value, 4, count, s);
}

bool emu_holds(uintptr_t at, size_t bytes, char *why, size_t why_bytes) {
  return memory_holds(at, bytes, why, why_bytes);
}

bool emu_is_written(uintptr_t at, size_t bytes) {
  return !shadow_on || shadow_is_written(at, bytes);
}

void emu_written(uintptr_t at, size_t bytes) {
  if (shadow_on) shadow_written(at, bytes);
}
