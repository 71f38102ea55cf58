/* SPDX-License-Identifier: MIT */
/* Times on the GPU's own clock. See timer.h. */
#include "runtime/cuda/timer.h"

#include <stdlib.h>

CudaResult timer_mark(Timer *t) {
  if (t->n == t->room) {
    int room = t->room * 2 + 64;
    CudaEvent *more = realloc(t->marks, (size_t)room * sizeof *more);
    if (more == NULL) return CUDA_NO_MEMORY;
    t->marks = more;
    t->room = room;
  }
  CudaResult r = t->driver->cuEventCreate(&t->marks[t->n], 0);
  return r != CUDA_OK ? r : t->driver->cuEventRecord(t->marks[t->n++], t->stream);
}

CudaResult timer_read(const Timer *t, int mark, double *seconds) {
  float milliseconds = 0;
  CudaResult r = t->driver->cuEventElapsedTime(&milliseconds, t->marks[0], t->marks[mark]);
  *seconds = (double)milliseconds / 1e3;
  return r;
}

void timer_close(Timer *t) {
  for (int i = 0; i < t->n; i++) t->driver->cuEventDestroy_v2(t->marks[i]);
  free(t->marks);
  *t = (Timer){0};
}
