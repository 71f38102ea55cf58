/* SPDX-License-Identifier: MIT */
/* How long the launches of a run take on the GPU: marks between them on the stream, read when
 * the run is over. Nobody waits in between. */
#ifndef TDC_CUDA_TIMER_H
#define TDC_CUDA_TIMER_H

#include "runtime/cuda/library.h"

typedef struct Timer {
  const CudaDriver *driver;
  CudaStream stream;
  CudaEvent *marks;
  int n, room;
} Timer;

/* The next mark. CUDA_NO_MEMORY also when the host's is out. */
CudaResult timer_mark(Timer *t);
/* Seconds from the first mark to another, once the stream's work is over. */
CudaResult timer_read(const Timer *t, int mark, double *seconds);
void timer_close(Timer *t);

#endif
