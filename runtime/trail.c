/* SPDX-License-Identifier: MIT */
/* What runs gave, kept on the device: after each its numbers are copied there, in the order of
 * the stream, and nobody waits. */
#include <math.h>
#include <stdlib.h>

#include "dsl/base.h"
#include "runtime/session_internal.h"

enum { SLOT = 8 }; /* bytes, of any type */

struct Trail {
  Session *session;
  int entry, most, length;
  DeviceMemory *memory; /* [most, outputs] slots */
  size_t bytes;
  char *read; /* as many on the host */
};

static const TdEntry *entry_of(const Trail *t) { return &t->session->program->entries[t->entry]; }

Trail *trail_new(Session *s, int entry, int most, TdError *err) {
  Trail *t = calloc(1, sizeof *t);
  if (t == NULL) {
    td_fail_memory(err);
    return NULL;
  }
  *t = (Trail){.session = s, .entry = entry, .most = most};
  t->bytes = (size_t)most * (size_t)entry_of(t)->noutputs * SLOT;
  t->read = malloc(t->bytes + 1);
  if (t->read == NULL)
    td_fail_memory(err);
  else
    t->memory = s->device->does->alloc(s->device, t->bytes, err);
  if (t->memory != NULL) return t;
  trail_free(t);
  return NULL;
}

void trail_keep(Trail *t) {
  const TdEntry *e = entry_of(t);
  const DeviceInterface *does = t->session->device->does;
  if (t->length == t->most) bug("%s: no room for another run's outputs", e->name);
  for (int i = 0; i < e->noutputs; i++) {
    const TdBuffer *b = &e->buffers[e->outputs[i].buffer];
    size_t slot = ((size_t)t->length * (size_t)e->noutputs + (size_t)i) * SLOT;
    if (b->count >= 1)
      does->copy(t->session->device, (DevicePlace){t->memory, slot},
                 t->session->at[t->entry][e->outputs[i].buffer], td_type_size(b->type));
  }
  t->length++;
}

int trail_length(const Trail *t) { return t->length; }

bool trail_full(const Trail *t) { return t->length == t->most; }

bool trail_read(Trail *t, double *values, TdError *err) {
  const TdEntry *e = entry_of(t);
  Device *d = t->session->device;
  int n = t->length * e->noutputs;
  if (!d->does->download(d, t->read, (DevicePlace){t->memory, 0}, (size_t)n * SLOT, err))
    return false;
  for (int i = 0; i < n; i++) {
    const TdBuffer *b = &e->buffers[e->outputs[i % e->noutputs].buffer];
    values[i] = b->count >= 1 ? element_value(b->type, t->read + (size_t)i * SLOT) : (double)NAN;
  }
  t->length = 0;
  return true;
}

void trail_free(Trail *t) {
  if (t == NULL) return;
  Device *d = t->session->device;
  if (t->memory != NULL) d->does->free(d, t->memory, t->bytes);
  free(t->read);
  free(t);
}
