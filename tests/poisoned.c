/* SPDX-License-Identifier: MIT */
/* See poisoned.h. Temporaries and outputs lie in the arena: what an entry before left there,
 * or zeros, would be right now and then. Kept buffers are an entry's to fill in a run that is
 * not one again. Bytes of 0xff are a NaN in each type of reals, and -1 as an index. */
#include "tests/poisoned.h"

#include <stdlib.h>
#include <string.h>

#include "dsl/base.h"

typedef struct Poisoned {
  Device device;
  Device *inside;
  const TdProgram *program;
  DeviceLayout layout;
  char *poison;
  size_t bytes;
} Poisoned;

static Device *inside(Device *d) { return ((Poisoned *)d)->inside; }

static DeviceMemory *poisoned_alloc(Device *d, size_t bytes, TdError *err) {
  return inside(d)->does->alloc(inside(d), bytes, err);
}
static void poisoned_free(Device *d, DeviceMemory *m, size_t bytes) {
  inside(d)->does->free(inside(d), m, bytes);
}
static void poisoned_upload(Device *d, DevicePlace to, const void *from, size_t bytes) {
  inside(d)->does->upload(inside(d), to, from, bytes);
}
static bool poisoned_download(Device *d, void *to, DevicePlace from, size_t bytes, TdError *err) {
  return inside(d)->does->download(inside(d), to, from, bytes, err);
}
static void poisoned_zero(Device *d, DeviceMemory *m, size_t bytes) {
  inside(d)->does->zero(inside(d), m, bytes);
}
static void poisoned_copy(Device *d, DevicePlace to, DevicePlace from, size_t bytes) {
  inside(d)->does->copy(inside(d), to, from, bytes);
}
static bool poisoned_prepare(Device *d, const DeviceLayout *at, const int *entries, int n,
                             TdError *err) {
  ((Poisoned *)d)->layout = *at;
  return inside(d)->does->prepare(inside(d), at, entries, n, err);
}
static bool poisoned_finite(Device *d, const DeviceNumbers *all, int n, int *good, TdError *err) {
  return inside(d)->does->finite(inside(d), all, n, good, err);
}
static bool poisoned_sync(Device *d, TdError *err) { return inside(d)->does->sync(inside(d), err); }

/* Which steps fill a kept buffer: those that follow from constants read no other. */
static TdOnce kept_by(const TdEntry *e, int buffer) {
  for (int i = 0; i < e->nsteps; i++)
    for (int k = 0; e->steps[i].once == TD_ONCE && k < e->steps[i].nargs; k++)
      if (e->steps[i].args[k] == buffer) return TD_ONCE;
  return TD_LASTING;
}

static void poison(Poisoned *p, int entry, TdOnce holds) {
  const TdEntry *e = &p->program->entries[entry];
  for (int i = 0; i < e->nbuffers; i++) {
    const TdBuffer *b = &e->buffers[i];
    if (b->kind != TD_TEMP && (b->kind != TD_KEPT || kept_by(e, i) <= holds)) continue;
    if (b->bytes > p->bytes) {
      char *more = realloc(p->poison, b->bytes);
      if (more == NULL) bug("no memory for poison");
      p->poison = more;
      p->bytes = b->bytes;
      memset(p->poison, 0xff, p->bytes);
    }
    p->inside->does->upload(p->inside, p->layout.buffers[entry][i], p->poison, b->bytes);
  }
}

static void poisoned_run(Device *d, const DeviceRun *r) {
  poison((Poisoned *)d, r->entry, r->holds);
  inside(d)->does->run(inside(d), r);
}

/* Before the first run; those after it find what it left. */
static void poisoned_run_series(Device *d, const DeviceSeries *s) {
  poison((Poisoned *)d, s->entry, s->holds);
  inside(d)->does->run_series(inside(d), s);
}

static void poisoned_close(Device *d) {
  Poisoned *p = (Poisoned *)d;
  p->inside->does->close(p->inside);
  free(p->poison);
  free(p);
}

static const DeviceInterface poisoned_does = {
    .name = "poisoned",
    .behind = true,
    .alloc = poisoned_alloc,
    .free = poisoned_free,
    .upload = poisoned_upload,
    .download = poisoned_download,
    .zero = poisoned_zero,
    .copy = poisoned_copy,
    .prepare = poisoned_prepare,
    .run = poisoned_run,
    .run_series = poisoned_run_series,
    .finite = poisoned_finite,
    .sync = poisoned_sync,
    .close = poisoned_close,
};

Device *poisoned_device(Device *device, const TdProgram *p) {
  if (device == NULL) return NULL;
  Poisoned *out = calloc(1, sizeof *out);
  if (out == NULL) bug("no memory for a device");
  *out = (Poisoned){.device = {&poisoned_does}, .inside = device, .program = p};
  return &out->device;
}
