/* SPDX-License-Identifier: MIT */
/* Capture and graphs: a stream's work is kept as it was asked for, its parameters with it,
 * and put into a stream as a whole, as often as wanted. One stream is captured alone. */
#include <stdlib.h>

#include "tests/cuda_emu/emu.h"

CUresult cuStreamBeginCapture_v2(CUstream s, int mode) {
  ENTER(CONTEXT);
  if (s == NULL) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED; /* never the default stream */
  s = stream_find(s);
  if (s == NULL) return CUDA_ERROR_INVALID_HANDLE;
  if (mode < CU_STREAM_CAPTURE_MODE_GLOBAL || mode > CU_STREAM_CAPTURE_MODE_RELAXED)
    return CUDA_ERROR_INVALID_VALUE;
  if (s->capture != NULL) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  s->capture = calloc(1, sizeof *s->capture);
  s->invalid = false;
  return s->capture != NULL ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult cuStreamEndCapture(CUstream s, CUgraph *graph) {
  ENTER(CONTEXT);
  if (graph == NULL) return CUDA_ERROR_INVALID_VALUE;
  *graph = NULL;
  if (s == NULL || stream_find(s) == NULL) return CUDA_ERROR_INVALID_HANDLE;
  CUgraph made = s->capture;
  if (made == NULL) return CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
  s->capture = NULL;
  if (s->invalid || !handle_add(H_GRAPH, made)) {
    ops_free(&made->ops);
    free(made);
    return s->invalid ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED : CUDA_ERROR_OUT_OF_MEMORY;
  }
  *graph = made;
  return CUDA_SUCCESS;
}

CUresult cuStreamIsCapturing(CUstream s, int *status) {
  ENTER(CONTEXT);
  s = stream_find(s);
  if (s == NULL) return CUDA_ERROR_INVALID_HANDLE;
  if (status == NULL) return CUDA_ERROR_INVALID_VALUE;
  *status = s->capture == NULL ? 0 : s->invalid ? 2 : 1;
  return CUDA_SUCCESS;
}

static bool copy_all(OpList *to, const OpList *from) {
  for (int i = 0; i < from->n; i++)
    if (!ops_add(to, &from->ops[i])) return false;
  return true;
}

CUresult cuGraphInstantiateWithFlags(CUgraphExec *exec, CUgraph graph, unsigned long long flags) {
  ENTER(CONTEXT);
  if (exec == NULL || flags > 15) return CUDA_ERROR_INVALID_VALUE;
  if (!handle_alive(H_GRAPH, graph)) return CUDA_ERROR_INVALID_VALUE;
  CUgraphExec made = calloc(1, sizeof *made);
  if (made == NULL || !copy_all(&made->ops, &graph->ops) || !handle_add(H_EXEC, made))
    return CUDA_ERROR_OUT_OF_MEMORY;
  *exec = made;
  return CUDA_SUCCESS;
}

CUresult cuGraphLaunch(CUgraphExec exec, CUstream s) {
  ENTER(CONTEXT);
  s = stream_find(s);
  if (s == NULL) return CUDA_ERROR_INVALID_HANDLE;
  if (!handle_alive(H_EXEC, exec)) return CUDA_ERROR_INVALID_VALUE;
  if (s->capture != NULL) return no_capture();
  for (int i = 0; i < exec->ops.n; i++) {
    CUresult r = stream_put(s, &exec->ops.ops[i]);
    if (r != CUDA_SUCCESS) return r;
  }
  return CUDA_SUCCESS;
}

CUresult cuGraphExecDestroy(CUgraphExec exec) {
  ENTER(CONTEXT);
  if (!handle_alive(H_EXEC, exec)) return CUDA_ERROR_INVALID_VALUE;
  handle_remove(H_EXEC, exec);
  ops_free(&exec->ops);
  free(exec);
  return CUDA_SUCCESS;
}

CUresult cuGraphDestroy(CUgraph graph) {
  ENTER(CONTEXT);
  if (!handle_alive(H_GRAPH, graph)) return CUDA_ERROR_INVALID_VALUE;
  handle_remove(H_GRAPH, graph);
  ops_free(&graph->ops);
  free(graph);
  return CUDA_SUCCESS;
}
