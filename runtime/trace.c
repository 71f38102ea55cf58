/* SPDX-License-Identifier: MIT */
/* Where a NaN was born: an entry is run again, kernel by kernel, from states
 * that were kept. The run is deterministic, so what failed fails again. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/store/safetensors.h"
#include "runtime/session_internal.h"

/* ---- snapshots --------------------------------------------------------------- */

struct Snapshot {
  int n;
  size_t *bytes;
  char **states;
};

Snapshot *snapshot_new(const Session *s) {
  const TdProgram *p = s->program;
  Snapshot *n = calloc(1, sizeof *n);
  if (n == NULL) return NULL;
  n->n = p->nstates;
  n->bytes = calloc((size_t)p->nstates + 1, sizeof *n->bytes);
  n->states = calloc((size_t)p->nstates + 1, sizeof *n->states);
  bool ok = n->bytes != NULL && n->states != NULL;
  for (int i = 0; ok && i < p->nstates; i++) {
    n->bytes[i] = (size_t)p->states[i].count * td_type_size(p->states[i].type);
    ok = (n->states[i] = malloc(n->bytes[i] + 1)) != NULL;
  }
  if (ok) return n;
  snapshot_free(n);
  return NULL;
}

void snapshot_take(Snapshot *n, const Session *s) {
  for (int i = 0; i < n->n; i++) memcpy(n->states[i], s->states[i], n->bytes[i]);
}

void snapshot_restore(const Snapshot *n, Session *s) {
  for (int i = 0; i < n->n; i++) memcpy(s->states[i], n->states[i], n->bytes[i]);
}

void snapshot_free(Snapshot *n) {
  if (n == NULL) return;
  for (int i = 0; n->states != NULL && i < n->n; i++) free(n->states[i]);
  free(n->states);
  free(n->bytes);
  free(n);
}

/* ---- looking at numbers --------------------------------------------------------- */

typedef struct Finding {
  int64_t nan, infinite;
} Finding; /* first index of each, or -1 */

/* How many floats from the first on are surely finite: whole runs, a vector at a
 * time, as weights are looked at after every sampling. */
static int64_t finite_floats(const float *x, int64_t count) {
  enum { RUN = 1024 };
  int64_t i = 0;
  for (; i + RUN <= count; i += RUN) {
    uint32_t bits[RUN], bad = 0;
    memcpy(bits, x + i, sizeof bits);
    for (int k = 0; k < RUN; k++) bad |= (bits[k] & 0x7f800000u) == 0x7f800000u;
    if (bad) break;
  }
  return i;
}

static Finding look(const void *data, TdType type, int64_t count) {
  Finding f = {-1, -1};
  for (int64_t i = type == TD_F32 ? finite_floats(data, count) : 0; i < count; i++) {
    double x = 0;
    switch (type) {
    case TD_F32: x = (double)((const float *)data)[i]; break;
    case TD_F64: x = ((const double *)data)[i]; break;
    case TD_BF16: x = (double)f32_from_bf16(((const uint16_t *)data)[i]); break;
    case TD_F16: x = (double)f32_from_f16(((const uint16_t *)data)[i]); break;
    case TD_I32:
    case TD_U8: return f;
    }
    if (isfinite(x)) continue;
    if (isnan(x)) {
      f.nan = i;
      return f;
    }
    if (f.infinite < 0) f.infinite = i;
  }
  return f;
}

/* The parameter that holds element `index` of a state. */
static const char *piece_name(const TdProgram *p, int state, int64_t *index) {
  for (int i = 0; i < p->ntensors; i++) {
    const TdTensor *t = &p->tensors[i];
    int64_t n = 1;
    for (int k = 0; k < t->rank; k++) n *= t->shape[k];
    if (t->state != state || *index < t->offset || *index >= t->offset + n) continue;
    *index -= t->offset;
    return t->name;
  }
  return p->states[state].name;
}

NanSource session_check_states(const Session *s) {
  NanSource out = {0};
  for (int i = 0; i < s->program->nstates; i++) {
    const TdState *st = &s->program->states[i];
    Finding f = look(s->states[i], st->type, st->count);
    int64_t at = f.nan >= 0 ? f.nan : f.infinite;
    if (at < 0) continue;
    out = (NanSource){.found = true, .infinite = f.nan < 0, .index = at};
    out.tensor = piece_name(s->program, i, &out.index);
    return out;
  }
  return out;
}

/* ---- tracing ------------------------------------------------------------------------ */

typedef struct Trace {
  NanSource nan, infinite; /* the first of each */
  char *before;            /* the launch's buffers as they were, one after another */
} Trace;

static size_t buffer_bytes(const TdBuffer *b) { return (size_t)b->count * td_type_size(b->type); }

/* Elements that the kernel wrote: equal bits were there before, and may be left
 * over from whatever had the memory earlier. The others go to zero in `before`. */
static void keep_changes(char *before, const char *now, const TdBuffer *b) {
  size_t size = td_type_size(b->type);
  for (size_t i = 0; i < (size_t)b->count; i++) {
    if (memcmp(before + i * size, now + i * size, size) == 0)
      memset(before + i * size, 0, size);
    else
      memcpy(before + i * size, now + i * size, size);
  }
}

static void trace_step(void *ctx, Session *s, const Bound *b, int step, bool before) {
  Trace *t = ctx;
  const TdStep *launch = &b->entry->steps[step];
  const TdKernel *kernel = &s->program->kernels[launch->kernel];
  char *at = t->before;
  for (int k = 0; k < launch->nargs && !t->nan.found; k++) {
    const TdBuffer *x = &b->entry->buffers[launch->args[k]];
    const char *now = b->at[launch->args[k]];
    if (before) {
      memcpy(at, now, buffer_bytes(x));
    } else {
      keep_changes(at, now, x);
      Finding f = look(at, x->type, x->count);
      NanSource found = {.found = true,
                         .infinite = f.nan < 0,
                         .tensor = x->name,
                         .kernel = kernel->name,
                         .where = kernel->where,
                         .text = kernel->text,
                         .index = f.nan >= 0 ? f.nan : f.infinite};
      if (f.nan >= 0)
        t->nan = found;
      else if (f.infinite >= 0 && !t->infinite.found)
        t->infinite = found;
    }
    at += (buffer_bytes(x) + 15) / 16 * 16;
  }
}

NanSource session_trace(Session *s, int entry, uint64_t seed, int64_t step) {
  if (s->reference != NULL) return reference_trace(s->reference, s, entry, seed, step);
  const TdEntry *e = &s->program->entries[entry];
  Trace t = {0};
  size_t most = 0;
  for (int i = 0; i < e->nsteps; i++) {
    size_t sum = 0;
    for (int k = 0; e->steps[i].kind == TD_LAUNCH && k < e->steps[i].nargs; k++)
      sum += (buffer_bytes(&e->buffers[e->steps[i].args[k]]) + 15) / 16 * 16;
    if (sum > most) most = sum;
  }
  t.before = malloc(most + 1);
  if (t.before == NULL) return t.nan;
  memset(s->arena, 0, e->arena_bytes); /* no NaN of an earlier run is in the way */
  session_run_hooked(s, entry, seed, step, false, trace_step, &t);
  free(t.before);
  return t.nan.found ? t.nan : t.infinite;
}
