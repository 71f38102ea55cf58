/* SPDX-License-Identifier: MIT */
/* From the host's memory to the GPU's and back, by way of page-locked memory. What goes up is
 * copied there first, and the GPU fetches it when its turn comes. What comes down is copied from
 * there when it has come: after a failure the GPU writes late into nobody else's memory. */
#ifndef TDC_CUDA_STAGE_H
#define TDC_CUDA_STAGE_H

#include "runtime/cuda/library.h"

typedef struct Stage {
  const CudaDriver *driver;
  CudaStream stream;
  char *memory; /* two halves for what goes up, one filled while the other is fetched; then down */
  CudaEvent fetched[2];
  bool under_way[2]; /* the half's event was recorded */
  size_t at;         /* bytes into memory */
} Stage;

/* Zeros after a failure, which stage_close takes too. */
CudaResult stage_open(Stage *s, const CudaDriver *driver, CudaStream stream);
/* `from` may be overwritten when it returns. */
CudaResult stage_upload(Stage *s, CudaAddress to, const void *from, size_t bytes);
/* Everything that was started before is done when it returns. */
CudaResult stage_download(Stage *s, void *to, CudaAddress from, size_t bytes);
void stage_close(Stage *s);

#endif
