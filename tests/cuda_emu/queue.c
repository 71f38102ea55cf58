/* SPDX-License-Identifier: MIT */
/* Work in streams. What is asked for is put in a queue; it is carried out when somebody
 * waits for it, or some of it at any later call, as drawn: so host memory is read and
 * written late, and who does not wait sees it. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/cuda_emu/emu.h"
#include "tests/cuda_emu/signals.h"

/* ---- lists of work ------------------------------------------------------------------- */

bool op_copy(Op *to, const Op *from) {
  *to = *from;
  if (from->owned == NULL) return true;
  to->owned = malloc(from->owned_bytes + 1);
  if (to->owned == NULL) return false;
  memcpy(to->owned, from->owned, from->owned_bytes);
  return true;
}

void op_free(Op *op) {
  free(op->owned);
  op->owned = NULL;
}

bool ops_add(OpList *l, const Op *op) {
  if (l->n == l->room) {
    int room = l->room * 2 + 16;
    Op *ops = realloc(l->ops, (size_t)room * sizeof *ops);
    if (ops == NULL) return false;
    l->ops = ops, l->room = room;
  }
  if (!op_copy(&l->ops[l->n], op)) return false;
  l->n++;
  return true;
}

void ops_free(OpList *l) {
  for (int i = 0; i < l->n; i++) op_free(&l->ops[i]);
  free(l->ops);
  *l = (OpList){0};
}

/* ---- carrying out -------------------------------------------------------------------- */

static CUresult wrong_address(const char *kind, const char *what, const char *why) {
  return emu_report(kind, "%s: %s", what, why) ? CUDA_ERROR_ILLEGAL_ADDRESS : CUDA_SUCCESS;
}

static CUresult check_arguments(const Op *op) {
  const EmuKernel *k = op->function->kernel;
  const unsigned long long *arguments = op->owned;
  for (int i = 0; i < k->arguments; i++) {
    char why[160], what[200];
    if (k->pointers[i] != '*' || arguments[i] == 0) continue;
    if (memory_holds(arguments[i], 0, why, sizeof why)) continue;
    strcpy(what, "argument ");
    what[9] = (char)('0' + i / 10), what[10] = (char)('0' + i % 10);
    strcpy(what + 11, " of kernel ");
    strncat(what, k->name, sizeof what - 40);
    return wrong_address(strstr(why, "freed") != NULL ? "use after free" : "bad address", what,
                         why);
  }
  return CUDA_SUCCESS;
}

static CUresult run_kernel(const Op *op) {
  int asked = fault_wanted("kernel", CUDA_ERROR_ILLEGAL_ADDRESS);
  if (asked != 0) return (CUresult)asked;
  if (!handle_alive(H_FUNCTION, op->function)) return CUDA_ERROR_LAUNCH_FAILED;
  CUresult r = check_arguments(op);
  if (r != CUDA_SUCCESS) return r;
  Launch l = {op->function->kernel,
              op->function->unit->checked != 0,
              op->blocks,
              op->grid_x,
              op->threads,
              op->shared,
              op->owned};
  r = engine_run(&l);
  return r == CUDA_SUCCESS && !memory_intact(l.kernel->name) ? CUDA_ERROR_ILLEGAL_ADDRESS : r;
}

static void fill(const Op *op) {
  for (size_t i = 0; i < op->bytes; i += op->width)
    memcpy((void *)(op->to + i), &op->value, op->width);
}

/* Copies: the blocks may have gone since they were asked for. */
static CUresult copy(const Op *op) {
  char why[160];
  bool into = op->kind != OP_DOWN, from = op->kind == OP_DOWN || op->kind == OP_COPY;
  if (into && !memory_holds(op->to, op->bytes, why, sizeof why))
    return wrong_address("use after free", "the target of a copy", why);
  if (from && !memory_holds(op->from, op->bytes, why, sizeof why))
    return wrong_address("use after free", "the source of a copy", why);
  signals_work = op->kind == OP_UP     ? "cuMemcpyHtoDAsync"
                 : op->kind == OP_DOWN ? "cuMemcpyDtoHAsync"
                                       : NULL;
  if (op->kind == OP_SET && op->value == 0 && setting("TDC_EMU_ZEROS", 1) == 0) return CUDA_SUCCESS;
  if (op->kind == OP_SET)
    fill(op);
  else
    memmove((void *)op->to, (const void *)op->from, op->bytes);
  signals_work = NULL;
  if (shadow_on && op->kind == OP_COPY)
    shadow_copied(op->to, op->from, op->bytes);
  else if (shadow_on && into)
    shadow_written(op->to, op->bytes);
  return CUDA_SUCCESS;
}

static double late; /* seconds */

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec + late;
}

void emu_took(double seconds) { late += seconds; }

static CUresult wait_for(CUevent e, uint64_t number) {
  while (e->done < number) {
    CUresult r = stream_drain(e->stream, 1);
    if (r != CUDA_SUCCESS) return r;
  }
  return CUDA_SUCCESS;
}

static CUresult carry_out(const Op *op) {
  switch (op->kind) {
  case OP_KERNEL: return run_kernel(op);
  case OP_CALL: return op->call(op->owned);
  case OP_RECORD:
    op->event->done = op->number;
    op->event->when = now();
    return CUDA_SUCCESS;
  case OP_WAIT: return wait_for(op->event, op->number);
  case OP_UP:
  case OP_DOWN:
  case OP_COPY:
  case OP_SET: break;
  }
  return copy(op);
}

CUresult stream_drain(CUstream s, int most) {
  if (s->done == s->queue.n) return driver_broken();
  signals_thread();
  memory_open();
  while (most-- != 0 && s->done < s->queue.n && driver_broken() == CUDA_SUCCESS) {
    Op op = s->queue.ops[s->done]; /* the queue may move while a wait drains others */
    s->queue.ops[s->done++].owned = NULL;
    CUresult r = carry_out(&op);
    op_free(&op);
    if (r != CUDA_SUCCESS) driver_break(r);
  }
  if (!memory_close() && driver_broken() == CUDA_SUCCESS) driver_break(CUDA_ERROR_ILLEGAL_ADDRESS);
  if (driver_broken() != CUDA_SUCCESS || s->done == s->queue.n) {
    ops_free(&s->queue);
    s->done = 0;
  }
  return driver_broken();
}

/* ---- streams ------------------------------------------------------------------------- */

static struct EmuStream usual; /* the default stream */
enum { MOST_STREAMS = 64 };
static CUstream streams[MOST_STREAMS];
static int nstreams;

CUstream stream_find(CUstream s) {
  if (s == NULL) return &usual;
  return handle_alive(H_STREAM, s) ? s : NULL;
}

CUresult drain_all(void) {
  CUresult r = stream_drain(&usual, -1);
  for (int i = 0; i < nstreams; i++) r = stream_drain(streams[i], -1);
  return r;
}

void drain_some(void) {
  if (random_below(4) != 0) return;
  uint64_t which = random_below((uint64_t)nstreams + 1);
  CUstream s = which == 0 ? &usual : streams[which - 1];
  if (s->capture == NULL) stream_drain(s, 1 + (int)random_below(3));
}

bool any_capture(void) {
  for (int i = 0; i < nstreams; i++)
    if (streams[i]->capture != NULL) return true;
  return false;
}

bool emu_capturing(void) { return any_capture(); }

CUresult no_capture(void) {
  if (!any_capture()) return CUDA_SUCCESS;
  for (int i = 0; i < nstreams; i++)
    if (streams[i]->capture != NULL) streams[i]->invalid = true;
  return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
}

CUresult stream_put(CUstream s, const Op *op) {
  if (s->capture != NULL) {
    if (s->invalid) return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    return ops_add(&s->capture->ops, op) ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
  }
  /* the default stream waits for the blocking ones, and they for it */
  if (s == &usual) {
    for (int i = 0; i < nstreams; i++)
      if (!(streams[i]->flags & CU_STREAM_NON_BLOCKING)) stream_drain(streams[i], -1);
  } else if (!(s->flags & CU_STREAM_NON_BLOCKING)) {
    stream_drain(&usual, -1);
  }
  if (driver_broken() != CUDA_SUCCESS) return driver_broken();
  return ops_add(&s->queue, op) ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult emu_enqueue(CUstream s, CUresult (*call)(void *), const void *data, size_t bytes) {
  CUresult r = driver_enter("emu_enqueue", CONTEXT);
  if (r != CUDA_SUCCESS) return r;
  __attribute__((cleanup(driver_leave), unused)) int held = 1;
  s = stream_find(s);
  if (s == NULL) return CUDA_ERROR_INVALID_HANDLE;
  return stream_put(
      s, &(Op){.kind = OP_CALL, .call = call, .owned = (void *)data, .owned_bytes = bytes});
}

CUresult cuStreamCreate(CUstream *s, unsigned flags) {
  ENTER(CONTEXT);
  if (s == NULL || flags > CU_STREAM_NON_BLOCKING) return CUDA_ERROR_INVALID_VALUE;
  CUstream made = nstreams < MOST_STREAMS ? calloc(1, sizeof *made) : NULL;
  if (made == NULL || !handle_add(H_STREAM, made)) return CUDA_ERROR_OUT_OF_MEMORY;
  made->flags = flags;
  *s = streams[nstreams++] = made;
  return CUDA_SUCCESS;
}

static void stream_end(CUstream s) {
  int i = 0;
  while (streams[i] != s) i++;
  streams[i] = streams[--nstreams];
  handle_remove(H_STREAM, s);
  ops_free(&s->queue);
  free(s);
}

void streams_close(void) {
  ops_free(&usual.queue);
  usual.done = 0;
  while (nstreams > 0) stream_end(streams[nstreams - 1]);
}

CUresult cuStreamDestroy_v2(CUstream s) {
  ENTER(CONTEXT);
  if (s == NULL || stream_find(s) == NULL) return CUDA_ERROR_INVALID_HANDLE;
  if (s->capture != NULL) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  CUresult r = stream_drain(s, -1);
  stream_end(s);
  return r;
}

CUresult cuStreamSynchronize(CUstream s) {
  ENTER(CONTEXT);
  s = stream_find(s);
  if (s == NULL) return CUDA_ERROR_INVALID_HANDLE;
  if (s->capture != NULL) return no_capture();
  return stream_drain(s, -1);
}

CUresult cuStreamQuery(CUstream s) {
  ENTER(CONTEXT);
  s = stream_find(s);
  if (s == NULL) return CUDA_ERROR_INVALID_HANDLE;
  if (s->capture != NULL) return no_capture();
  bool busy = s->done < s->queue.n;
  CUresult r = stream_drain(s, 1);
  return r == CUDA_SUCCESS && busy ? CUDA_ERROR_NOT_READY : r;
}

CUresult cuCtxSynchronize(void) {
  ENTER(CONTEXT);
  CUresult r = no_capture();
  return r != CUDA_SUCCESS ? r : drain_all();
}

/* ---- events -------------------------------------------------------------------------- */

CUresult cuEventCreate(CUevent *e, unsigned flags) {
  ENTER(CONTEXT);
  if (e == NULL || flags > 7) return CUDA_ERROR_INVALID_VALUE;
  CUevent made = calloc(1, sizeof *made);
  if (made == NULL || !handle_add(H_EVENT, made)) return CUDA_ERROR_OUT_OF_MEMORY;
  made->flags = flags;
  *e = made;
  return CUDA_SUCCESS;
}

CUresult cuEventRecord(CUevent e, CUstream s) {
  ENTER(CONTEXT);
  s = stream_find(s);
  if (s == NULL || !handle_alive(H_EVENT, e)) return CUDA_ERROR_INVALID_HANDLE;
  e->captured = s->capture != NULL;
  if (e->captured) return s->invalid ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED : CUDA_SUCCESS;
  e->stream = s;
  return stream_put(s, &(Op){.kind = OP_RECORD, .event = e, .number = ++e->recorded});
}

CUresult cuEventSynchronize(CUevent e) {
  ENTER(CONTEXT);
  if (!handle_alive(H_EVENT, e)) return CUDA_ERROR_INVALID_HANDLE;
  if (e->captured) return CUDA_ERROR_CAPTURED_EVENT;
  return wait_for(e, e->recorded);
}

CUresult cuEventQuery(CUevent e) {
  ENTER(CONTEXT);
  if (!handle_alive(H_EVENT, e)) return CUDA_ERROR_INVALID_HANDLE;
  if (e->captured) return CUDA_ERROR_CAPTURED_EVENT;
  if (e->done == e->recorded) return CUDA_SUCCESS;
  CUresult r = stream_drain(e->stream, 1);
  return r == CUDA_SUCCESS ? CUDA_ERROR_NOT_READY : r;
}

CUresult cuStreamWaitEvent(CUstream s, CUevent e, unsigned flags) {
  ENTER(CONTEXT);
  s = stream_find(s);
  if (s == NULL || !handle_alive(H_EVENT, e)) return CUDA_ERROR_INVALID_HANDLE;
  if (flags > 1) return CUDA_ERROR_INVALID_VALUE;
  if (s->capture != NULL || e->captured) return no_capture(); /* one stream is captured alone */
  return stream_put(s, &(Op){.kind = OP_WAIT, .event = e, .number = e->recorded});
}

CUresult cuEventElapsedTime(float *milliseconds, CUevent from, CUevent to) {
  ENTER(CONTEXT);
  if (milliseconds == NULL) return CUDA_ERROR_INVALID_VALUE;
  if (!handle_alive(H_EVENT, from) || !handle_alive(H_EVENT, to)) return CUDA_ERROR_INVALID_HANDLE;
  if (((from->flags | to->flags) & CU_EVENT_DISABLE_TIMING) || from->recorded == 0 ||
      to->recorded == 0)
    return CUDA_ERROR_INVALID_HANDLE;
  if (from->done < from->recorded || to->done < to->recorded) return CUDA_ERROR_NOT_READY;
  *milliseconds = (float)(1e3 * (to->when - from->when));
  return CUDA_SUCCESS;
}

CUresult cuEventElapsedTime_v2(float *milliseconds, CUevent from, CUevent to) {
  return cuEventElapsedTime(milliseconds, from, to);
}

CUresult cuEventDestroy_v2(CUevent e) {
  ENTER(CONTEXT);
  if (!handle_alive(H_EVENT, e)) return CUDA_ERROR_INVALID_HANDLE;
  CUresult r = e->recorded > 0 && !e->captured ? wait_for(e, e->recorded) : CUDA_SUCCESS;
  handle_remove(H_EVENT, e);
  free(e);
  return r;
}
