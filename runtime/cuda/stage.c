/* SPDX-License-Identifier: MIT */
/* Uploads and downloads by way of page-locked memory. See stage.h. */
#include "runtime/cuda/stage.h"

#include <string.h>

enum { HALF = 1 << 20, ALIGN = 64 }; /* bytes */

CudaResult stage_open(Stage *s, const CudaDriver *driver, CudaStream stream) {
  void *memory = NULL;
  *s = (Stage){.driver = driver, .stream = stream};
  CudaResult r = driver->cuMemHostAlloc(&memory, 3 * HALF, 0);
  if (r == CUDA_OK) s->memory = memory;
  for (int i = 0; i < 2 && r == CUDA_OK; i++) {
    r = driver->cuEventCreate(&s->fetched[i], CUDA_NO_TIMING);
    if (r != CUDA_OK) s->fetched[i] = NULL;
  }
  return r;
}

/* Room for at least one byte in the half that is being filled. */
static CudaResult stage_room(Stage *s, size_t *room) {
  CudaResult r = CUDA_OK;
  size_t half = s->at / HALF;
  if (s->at == 2 * HALF) half = s->at = 0;
  if (s->at % HALF == 0 && s->under_way[half]) {
    r = s->driver->cuEventSynchronize(s->fetched[half]);
    s->under_way[half] = false;
  }
  *room = HALF - s->at % HALF;
  return r;
}

CudaResult stage_upload(Stage *s, CudaAddress to, const void *from, size_t bytes) {
  while (bytes > 0) {
    size_t room, half;
    CudaResult r = stage_room(s, &room);
    if (r != CUDA_OK) return r;
    size_t some = bytes < room ? bytes : room;
    half = s->at / HALF;
    memcpy(s->memory + s->at, from, some);
    r = s->driver->cuMemcpyHtoDAsync_v2(to, s->memory + s->at, some, s->stream);
    if (r != CUDA_OK) return r;
    s->at += (some + ALIGN - 1) / ALIGN * ALIGN;
    if (s->at % HALF == 0) { /* the half is full */
      r = s->driver->cuEventRecord(s->fetched[half], s->stream);
      if (r != CUDA_OK) return r;
      s->under_way[half] = true;
    }
    to += some;
    from = (const char *)from + some;
    bytes -= some;
  }
  return CUDA_OK;
}

CudaResult stage_download(Stage *s, void *to, CudaAddress from, size_t bytes) {
  char *room = s->memory + 2 * HALF;
  CudaResult r = CUDA_OK;
  while (bytes > 0 && r == CUDA_OK) {
    size_t some = bytes < HALF ? bytes : HALF;
    r = s->driver->cuMemcpyDtoHAsync_v2(room, from, some, s->stream);
    if (r == CUDA_OK) r = s->driver->cuStreamSynchronize(s->stream);
    if (r == CUDA_OK) memcpy(to, room, some);
    to = (char *)to + some;
    from += some;
    bytes -= some;
  }
  return r;
}

void stage_close(Stage *s) {
  for (int i = 0; i < 2; i++)
    if (s->fetched[i] != NULL) s->driver->cuEventDestroy_v2(s->fetched[i]);
  if (s->memory != NULL) s->driver->cuMemFreeHost(s->memory);
  *s = (Stage){0};
}
