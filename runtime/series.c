/* SPDX-License-Identifier: MIT */
/* Runs that are started together. Their own inputs are collected on the host, a record a run, and
 * go up in one piece; their outputs come down in one. On the device lie as many of both as there
 * is room for runs, where they lay in the last series, so that a device may rely on it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "dsl/base.h"
#include "runtime/session_internal.h"

enum { SLOT = 256 }; /* bytes: what places in a device's memory are multiples of */

struct Series {
  Session *session;
  int entry, most, together;
  DeviceSlots *inputs, *outputs; /* outputs by the entry's */
  int ninputs, noutputs;
  size_t record, result; /* bytes a run: its inputs, its outputs */
  DeviceMemory *in, *out;
  char *next;  /* the next run's record */
  char *given; /* [most, record] */
  char *read;  /* [most, result] */
  int length, started;
  uint64_t seed; /* of those not started */
  int64_t step;
};

static const TdEntry *entry_of(const Series *r) { return &r->session->program->entries[r->entry]; }

static size_t whole_slots(size_t bytes) { return (bytes + SLOT - 1) / SLOT * SLOT; }

/* ---- making ------------------------------------------------------------------------------- */

static bool is_named(const TdBuffer *b, const char *const *names, int n) {
  for (int i = 0; i < n; i++)
    if (b->kind == TD_INPUT && strcmp(b->name, names[i]) == 0) return true;
  return false;
}

static void lay_out(Series *r, const char *const *inputs, int ninputs) {
  const TdEntry *e = entry_of(r);
  for (int i = 0; i < e->nbuffers; i++) {
    const TdBuffer *b = &e->buffers[i];
    if (!is_named(b, inputs, ninputs)) continue;
    r->inputs[r->ninputs++] =
        (DeviceSlots){.buffer = i, .at = {.offset = r->record}, .bytes = buffer_bytes(b)};
    r->record += whole_slots(buffer_bytes(b));
  }
  for (int i = 0; i < e->noutputs; i++) {
    const TdBuffer *b = &e->buffers[e->outputs[i].buffer];
    r->outputs[r->noutputs++] = (DeviceSlots){.buffer = e->outputs[i].buffer,
                                              .at = {.offset = r->result},
                                              .bytes = b->count > 0 ? td_type_size(b->type) : 0};
    r->result += SLOT;
  }
}

static bool make_room(Series *r, TdError *err) {
  Device *d = r->session->device;
  size_t most = (size_t)r->most;
  r->next = calloc(r->record + 1, 1);
  r->given = calloc(most * r->record + 1, 1);
  r->read = calloc(most * r->result + 1, 1);
  if (r->next == NULL || r->given == NULL || r->read == NULL) return td_fail_memory(err);
  r->in = d->does->alloc(d, most * r->record, err);
  r->out = r->in != NULL ? d->does->alloc(d, most * r->result, err) : NULL;
  for (int i = 0; i < r->ninputs; i++) {
    r->inputs[i].at.memory = r->in;
    r->inputs[i].stride = r->record;
  }
  for (int i = 0; i < r->noutputs; i++) {
    r->outputs[i].at.memory = r->out;
    r->outputs[i].stride = r->result;
  }
  return r->out != NULL;
}

Series *session_series(Session *s, int entry, int most, int together, const char *const *inputs,
                       int ninputs, TdError *err) {
  Series *r = s->series[entry];
  const TdEntry *e = &s->program->entries[entry];
  if (r != NULL) {
    if (r->most != most || r->together != together) bug("%s has another series", e->name);
    r->length = r->started = 0;
    return r;
  }
  r = calloc(1, sizeof *r);
  if (r == NULL) {
    td_fail_memory(err);
    return NULL;
  }
  *r = (Series){.session = s, .entry = entry, .most = most, .together = together};
  r->inputs = calloc((size_t)e->nbuffers + 1, sizeof *r->inputs);
  r->outputs = calloc((size_t)e->noutputs + 1, sizeof *r->outputs);
  bool ok = (r->inputs != NULL && r->outputs != NULL) || td_fail_memory(err);
  if (ok) {
    lay_out(r, inputs, ninputs);
    ok = make_room(r, err);
  }
  if (ok) return s->series[entry] = r;
  series_free(r);
  return NULL;
}

void series_free(Series *r) {
  if (r == NULL) return;
  Device *d = r->session->device;
  if (r->in != NULL) d->does->free(d, r->in, (size_t)r->most * r->record);
  if (r->out != NULL) d->does->free(d, r->out, (size_t)r->most * r->result);
  free(r->inputs);
  free(r->outputs);
  free(r->next);
  free(r->given);
  free(r->read);
  free(r);
}

/* ---- running ------------------------------------------------------------------------------- */

Session *series_session(const Series *r, int *entry) {
  *entry = r->entry;
  return r->session;
}

char *series_input(Series *r, int buffer) {
  for (int i = 0; i < r->ninputs; i++)
    if (r->inputs[i].buffer == buffer) return r->next + r->inputs[i].at.offset;
  bug("%s: '%s' is no input that each run has its own of", entry_of(r)->name,
      entry_of(r)->buffers[buffer].name);
}

void series_start(Series *r) {
  Device *d = r->session->device;
  int n = r->length - r->started;
  if (n == 0) return;
  if (!r->session->ready[r->entry]) bug("%s runs and was never prepared", entry_of(r)->name);
  size_t first = (size_t)r->started * r->record;
  if (r->record > 0)
    d->does->upload(d, (DevicePlace){r->in, first}, r->given + first, (size_t)n * r->record);
  TdOnce holds = session_holds(r->session, r->entry);
  DeviceSeries series = {.entry = r->entry,
                         .inputs = r->inputs,
                         .outputs = r->outputs,
                         .ninputs = r->ninputs,
                         .noutputs = r->noutputs,
                         .first = r->started,
                         .n = n,
                         .seed = r->seed,
                         .step = r->step,
                         .holds = holds,
                         .then_holds = TD_LASTING};
  d->does->run_series(d, &series);
  r->started = r->length;
}

/* May it be started with those that wait? */
static bool goes_on(const Series *r, uint64_t seed, int64_t step) {
  int waiting = r->length - r->started;
  return waiting == 0 || (seed == r->seed && step == r->step + waiting);
}

void series_run(Series *r, uint64_t seed, int64_t step) {
  if (r->length == r->most) bug("%s: no room for another run", entry_of(r)->name);
  if (!goes_on(r, seed, step)) series_start(r);
  if (r->length == r->started) {
    r->seed = seed;
    r->step = step;
  }
  memcpy(r->given + (size_t)r->length * r->record, r->next, r->record);
  r->length++;
  if (r->length - r->started == r->together) series_start(r);
}

int series_length(const Series *r) { return r->length; }

bool series_full(const Series *r) { return r->length == r->most; }

bool series_read(Series *r, double *values, TdError *err) {
  const TdEntry *e = entry_of(r);
  Device *d = r->session->device;
  series_start(r);
  size_t bytes = (size_t)r->length * r->result;
  if (!d->does->download(d, r->read, (DevicePlace){r->out, 0}, bytes, err)) return false;
  for (int k = 0; k < r->length; k++)
    for (int i = 0; i < e->noutputs; i++) {
      const TdBuffer *b = &e->buffers[e->outputs[i].buffer];
      const char *at = r->read + (size_t)k * r->result + (size_t)i * SLOT;
      *values++ = b->count >= 1 ? element_value(b->type, at) : (double)NAN;
    }
  r->length = r->started = 0;
  return true;
}
