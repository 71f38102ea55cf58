/* SPDX-License-Identifier: MIT */
/* Binding a program to a device's memory and running its entries. */
#include "runtime/session.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "dsl/base.h"
#include "runtime/session_internal.h"

/* ---- memory ------------------------------------------------------------------- */

/* Does the buffer have a block of its own? */
static bool is_alone(const TdBuffer *b) { return b->kind != TD_TEMP && b->kind != TD_STATE; }

static bool place_alone(Session *s, DevicePlace *at, const TdBuffer *b, TdError *err) {
  Device *d = s->device;
  size_t bytes = buffer_bytes(b);
  at->memory = d->does->alloc(d, bytes, err);
  if (at->memory == NULL) return false;
  if (b->kind == TD_CONST && bytes > 0) d->does->upload(d, *at, b->data, bytes);
  return true;
}

static bool place_buffers(Session *s, int entry, TdError *err) {
  const TdEntry *e = &s->program->entries[entry];
  DevicePlace *at = s->at[entry] = calloc((size_t)e->nbuffers + 1, sizeof *at);
  if (at == NULL) return td_fail_memory(err);
  for (int i = 0; i < e->nbuffers; i++) {
    const TdBuffer *b = &e->buffers[i];
    if (b->kind == TD_TEMP &&
        (b->offset > e->arena_bytes || buffer_bytes(b) > e->arena_bytes - b->offset))
      bug("%s: buffer %s lies outside the arena", e->name, b->name);
    if (b->kind == TD_STATE && (b->state < 0 || b->state >= s->program->nstates))
      bug("%s: buffer %s has no state", e->name, b->name);
    if (is_alone(b) && !place_alone(s, &at[i], b, err)) return false;
    if (b->kind == TD_TEMP) at[i] = (DevicePlace){s->arena, b->offset};
    if (b->kind == TD_STATE) at[i] = (DevicePlace){s->states[b->state], b->offset};
  }
  return true;
}

static bool makes_once(const TdEntry *e) {
  for (int i = 0; i < e->nsteps; i++)
    if (e->steps[i].once == TD_ONCE) return true;
  return false;
}

static bool session_fill(Session *s, TdError *err) {
  const TdProgram *p = s->program;
  Device *d = s->device;
  for (int i = 0; i < p->nstates; i++)
    if ((s->states[i] = d->does->alloc(d, state_bytes(p, i), err)) == NULL) return false;
  if ((s->arena = d->does->alloc(d, arena_bytes(p), err)) == NULL) return false;
  for (int e = 0; e < p->nentries; e++)
    if (!place_buffers(s, e, err)) return false;
  for (int e = 0; e < p->nentries; e++) s->made[e] = !makes_once(&p->entries[e]);
  return true;
}

Session *session_new(const TdProgram *p, Device *device, TdError *err) {
  if (device == NULL) return NULL;
  Session *s = calloc(1, sizeof *s);
  if (s == NULL) {
    td_fail_memory(err);
    device->does->close(device);
    return NULL;
  }
  s->program = p;
  s->device = device;
  s->states = calloc((size_t)p->nstates + 1, sizeof *s->states);
  s->at = calloc((size_t)p->nentries + 1, sizeof *s->at);
  s->ready = calloc((size_t)p->nentries + 1, sizeof *s->ready);
  s->made = calloc((size_t)p->nentries + 1, sizeof *s->made);
  s->series = calloc((size_t)p->nentries + 1, sizeof *s->series);
  s->wrote = calloc((size_t)p->nstates + 1, sizeof *s->wrote);
  s->kept = calloc((size_t)p->nentries + 1, sizeof *s->kept);
  s->finite = calloc((size_t)p->nstates + 1, sizeof *s->finite);
  bool ok = (s->states != NULL && s->at != NULL && s->ready != NULL && s->made != NULL &&
             s->series != NULL && s->wrote != NULL && s->kept != NULL && s->finite != NULL) ||
            td_fail_memory(err);
  if (ok && session_fill(s, err)) return s;
  session_free(s);
  return NULL;
}

void session_free(Session *s) {
  if (s == NULL) return;
  Device *d = s->device;
  const TdProgram *p = s->program;
  for (int e = 0; s->series != NULL && e < p->nentries; e++) series_free(s->series[e]);
  for (int e = 0; s->at != NULL && e < p->nentries; e++) {
    for (int i = 0; s->at[e] != NULL && i < p->entries[e].nbuffers; i++) {
      const TdBuffer *b = &p->entries[e].buffers[i];
      if (is_alone(b) && s->at[e][i].memory != NULL)
        d->does->free(d, s->at[e][i].memory, buffer_bytes(b));
    }
    free(s->at[e]);
  }
  for (int i = 0; s->states != NULL && i < p->nstates; i++)
    if (s->states[i] != NULL) d->does->free(d, s->states[i], state_bytes(p, i));
  if (s->arena != NULL) d->does->free(d, s->arena, arena_bytes(p));
  d->does->close(d);
  free(s->states);
  free(s->at);
  free(s->ready);
  free(s->made);
  free(s->series);
  free(s->wrote);
  free(s->kept);
  free(s->finite);
  free(s);
}

const char *session_device(const Session *s) { return s->device->does->name; }

const TdProgram *session_program(const Session *s) { return s->program; }

int session_entry(const Session *s, const char *name) {
  for (int e = 0; e < s->program->nentries; e++)
    if (strcmp(s->program->entries[e].name, name) == 0) return e;
  return -1;
}

/* ---- preparing -------------------------------------------------------------- */

static bool prepare(Session *s, const int *entries, int n, TdError *err) {
  DeviceLayout layout = {s->states, (const DevicePlace *const *)s->at};
  if (!s->device->does->prepare(s->device, &layout, entries, n, err)) return false;
  for (int i = 0; i < n; i++) s->ready[entries[i]] = true;
  return true;
}

static bool means(const char *name, const TdEntry *e) {
  size_t n = strlen(name);
  if (strcmp(name, ".") == 0) return true;
  return n > 0 && name[n - 1] == '.' ? strncmp(name, e->name, n) == 0 : strcmp(name, e->name) == 0;
}

bool session_need(Session *s, const char *const *names, TdError *err) {
  int *entries = calloc((size_t)s->program->nentries + 1, sizeof *entries), n = 0;
  if (entries == NULL) return td_fail_memory(err);
  for (int e = 0; e < s->program->nentries; e++) {
    bool wanted = false;
    for (int i = 0; names[i] != NULL; i++)
      wanted = wanted || means(names[i], &s->program->entries[e]);
    if (wanted) entries[n++] = e;
  }
  bool ok = prepare(s, entries, n, err);
  free(entries);
  return ok;
}

bool session_need_one(Session *s, int entry, TdError *err) { return prepare(s, &entry, 1, err); }

/* ---- reading and writing --------------------------------------------------------- */

/* Elements first .. first + count - 1 of what lies at `from`. */
static bool read_elements(const Session *s, DevicePlace from, TdType type, int64_t first,
                          int64_t count, void *to, TdError *err) {
  size_t size = td_type_size(type);
  from.offset += (size_t)first * size;
  return s->device->does->download(s->device, to, from, (size_t)count * size, err);
}

static void check_range(const char *name, int64_t first, int64_t count, int64_t all) {
  if (first < 0 || count < 0 || first > all || count > all - first)
    bug("%s has %" PRId64 " elements, not %" PRId64 " from %" PRId64, name, all, count, first);
}

static int find_output(const Session *s, int entry, const char *name) {
  const TdEntry *e = &s->program->entries[entry];
  for (int i = 0; i < e->noutputs; i++)
    if (strcmp(e->outputs[i].name, name) == 0) return e->outputs[i].buffer;
  return -1;
}

const TdBuffer *session_output(const Session *s, int entry, const char *name) {
  int i = find_output(s, entry, name);
  return i < 0 ? NULL : &s->program->entries[entry].buffers[i];
}

bool session_read_output(const Session *s, int entry, const char *name, int64_t first,
                         int64_t count, void *to, TdError *err) {
  int i = find_output(s, entry, name);
  if (i < 0) bug("%s has no output '%s'", s->program->entries[entry].name, name);
  const TdBuffer *b = &s->program->entries[entry].buffers[i];
  check_range(name, first, count, b->count);
  return read_elements(s, s->at[entry][i], b->type, first, count, to, err);
}

double session_scalar(const Session *s, int entry, const char *name) {
  const TdBuffer *b = session_output(s, entry, name);
  char x[sizeof(double)];
  if (b == NULL || b->count < 1 || !session_read_output(s, entry, name, 0, 1, x, NULL))
    return (double)NAN;
  return element_value(b->type, x);
}

int session_state(const Session *s, const char *name) {
  for (int i = 0; i < s->program->nstates; i++)
    if (strcmp(s->program->states[i].name, name) == 0) return i;
  return -1;
}

bool session_read_state(const Session *s, int state, int64_t first, int64_t count, void *to,
                        TdError *err) {
  const TdState *st = &s->program->states[state];
  check_range(st->name, first, count, st->count);
  return read_elements(s, (DevicePlace){s->states[state], 0}, st->type, first, count, to, err);
}

void session_write_state(Session *s, int state, int64_t first, int64_t count, const void *from) {
  const TdState *st = &s->program->states[state];
  size_t size = td_type_size(st->type);
  check_range(st->name, first, count, st->count);
  DevicePlace to = {s->states[state], (size_t)first * size};
  session_wrote(s, state);
  s->device->does->upload(s->device, to, from, (size_t)count * size);
}

void session_clear(Session *s) {
  session_wrote_all(s);
  for (int i = 0; i < s->program->nstates; i++)
    s->device->does->zero(s->device, s->states[i], state_bytes(s->program, i));
}

/* ---- running -------------------------------------------------------------------- */

void session_run_watched(Session *s, int entry, uint64_t seed, int64_t step,
                         const DeviceWatch *watch) {
  if (!s->ready[entry]) bug("%s runs and was never prepared", s->program->entries[entry].name);
  TdOnce holds = session_holds(s, entry);
  DeviceRun run = {.entry = entry, .seed = seed, .step = step, .holds = holds, .watch = watch};
  s->device->does->run(s->device, &run);
}

void session_run(Session *s, int entry, uint64_t seed, int64_t step) {
  session_run_watched(s, entry, seed, step, NULL);
}

bool session_behind(const Session *s) { return s->device->does->behind; }

bool session_sync(Session *s, TdError *err) { return s->device->does->sync(s->device, err); }
